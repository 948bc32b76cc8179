// Package sandbox gives up what a process that parses hostile packets does not need: other users' rights, other files, the network, other programs.
//
// What is given up is given up for good, by every thread. On Linux it takes credentials(7), capabilities(7), Landlock (landlock(7)) and a filter of
// system calls (seccomp(2)); other systems get an honest nothing.
package sandbox

import (
	"fmt"
	"strings"
)

// Plan says what a process may do from now on, beside using what it has open. The zero value is the strictest.
type Plan struct {
	User    string   // account to become, by name or number, with its primary group alone; "": stays
	Read    []string // files that may be opened for reading, and directories with all that is below; what is not there is passed over
	Write   []string // directories below which files may be made, read, written, replaced and removed, but no directories, links or devices
	Name    []string // directories in and below which files may get other names and be removed, and nothing be opened for writing
	Connect []uint16 // ports of other machines that may be connected to: TCP, and UDP where the kernel can tell its ports apart. None: no sockets
	Local   bool     // Unix sockets may be opened
	Keep    Right
	Strict  bool // it is an error where something cannot be enforced
}

// Right is what watching interfaces still needs after its first sockets are open.
type Right uint8

const (
	Packets      Right = 1 << iota // packet and route sockets, for interfaces that come back: CAP_NET_RAW
	Translations                   // netfilter sockets, for what the kernel's connection tracking knows: CAP_NET_ADMIN
)

// Measure is one of the things that were to be enforced.
type Measure struct {
	Name string // one of the names below
	Lack string // why it was not enforced, or not all of it; "": it was
}

// Names of measures.
const (
	User            = "user" // only where Plan.User asks for it
	Capabilities    = "capabilities"
	NoNewPrivileges = "no-new-privileges"
	Files           = "files"
	Network         = "network"
	SystemCalls     = "system-calls" // no other programs, processes or devices, and no memory that is made executable
)

// Enforced are all measures of a plan, in the order of the names above.
type Enforced []Measure

// Lacking is what could not be enforced, one line each.
func (e Enforced) Lacking() []string {
	var list []string
	for _, m := range e {
		if m.Lack != "" {
			list = append(list, m.Name+": "+m.Lack)
		}
	}
	return list
}

// String is a line for a log.
func (e Enforced) String() string {
	var held []string
	for _, m := range e {
		if m.Lack == "" {
			held = append(held, m.Name)
		}
	}
	text := "nothing is limited"
	if len(held) > 0 {
		text = "limited: " + strings.Join(held, ", ")
	}
	if lacking := e.Lacking(); len(lacking) > 0 {
		text += "; not limited: " + strings.Join(lacking, "; ")
	}
	return text
}

func (e *Enforced) add(name string, failed error) {
	m := Measure{Name: name}
	if failed != nil {
		m.Lack = failed.Error()
	}
	*e = append(*e, m)
}

// judge is the error of a strict plan.
func (p *Plan) judge(e Enforced) error {
	if lacking := e.Lacking(); p.Strict && len(lacking) > 0 {
		return fmt.Errorf("sandbox: not everything can be enforced: %s", strings.Join(lacking, "; "))
	}
	return nil
}
