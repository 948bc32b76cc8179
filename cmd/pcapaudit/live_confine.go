package main

import (
	"net"
	"path/filepath"
	"slices"

	"pcapaudit/capture/sandbox"
)

// confine gives up what watching does not need any more, when all is open: from then on the traffic that is read has nothing to take over.
func (l *liveRun) confine() (sandbox.Enforced, error) {
	f := &l.flags
	plan := sandbox.Plan{User: f.user, Keep: sandbox.Packets}
	if f.conntrack {
		plan.Keep |= sandbox.Translations
	}
	for _, name := range slices.Concat([]string{f.site, f.sign, f.acks, f.serve.cert, f.serve.key}, f.rules, inventoryPaths(l.set.Site)) {
		plan.Read = append(plan.Read, replaceable(name)...)
	}
	if f.serve.listen != "" {
		plan.Read = append(plan.Read, "/proc/self/stat", "/proc/self/limits", "/proc/stat") // what metrics tell of this process
	}
	for _, name := range append([]string{f.state, f.connections}, f.reports...) {
		if name != "" {
			plan.Write = append(plan.Write, filepath.Dir(name))
		}
	}
	if f.alerts.file != "" && f.alerts.file != "-" {
		plan.Write = append(plan.Write, filepath.Dir(f.alerts.file))
	}
	l.alerts.syslog.plan(&plan)
	return l.u.confine(f.sandbox, plan)
}

// replaceable are the directories in which a file is found when it is read again: a file that is replaced is another one, and so is what a link leads to.
func replaceable(name string) []string {
	real, err := filepath.EvalSymlinks(name)
	if name == "" || err != nil { // none, or the name of a pack
		return nil
	}
	dirs := []string{filepath.Dir(name)}
	if dir := filepath.Dir(real); dir != dirs[0] {
		dirs = append(dirs, dir)
	}
	return dirs
}

// plan adds what sending needs.
func (s *syslog) plan(p *sandbox.Plan) {
	switch {
	case s == nil:
	case s.network == "unixgram":
		p.Local = true
	default:
		host, port, _ := net.SplitHostPort(s.addr)
		n, _ := net.LookupPort(s.network, port)
		p.Connect = append(p.Connect, uint16(n))
		if net.ParseIP(host) == nil { // a name is looked up each time
			p.Connect = append(p.Connect, 53)
			p.Read = append(p.Read, "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
		}
	}
}
