//go:build !linux

package sandbox

import "errors"

// Enter limits nothing on this system, and says so; a user to become is an error.
func Enter(p Plan) (Enforced, error) {
	if p.User != "" {
		return nil, errors.New("becoming another user works on Linux only")
	}
	var e Enforced
	for _, name := range []string{Capabilities, NoNewPrivileges, Files, Network, SystemCalls} {
		e.add(name, errors.New("works on Linux only"))
	}
	return e, p.judge(e)
}
