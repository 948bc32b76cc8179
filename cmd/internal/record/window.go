package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// window is one recording as data: machines, what they offer, and who does what in which order.
type window struct {
	name     string
	site     string   // file name of the site under testdata/sites, without .yaml
	rules    []string // vendor packs that an audit of it is given; the site brings the baseline packs
	hosts    []host
	services []service
	pace     time.Duration // between two actions; 0: the usual
	before   []action      // happens before the capture begins
	actions  []action
	planted  []planted // what an audit must find, nothing else; empty for a clean window
	silent   []planted // what an audit must see and not count against the window
}

// service is something that listens on a host.
type service interface {
	start(l *lab) error
	String() string
}

// action is one thing that a host does.
type action interface {
	do(l *lab) error
	String() string
}

// planted is something that an audit must report: a connection judged, an expectation not met, or ports that do not go together.
type planted struct {
	kind    string // connection, expectation, coupled-ports
	verdict string // of a connection, or the status of an expectation
	why     string // reasons separated by spaces
	orig    string // address or host name of the originator
	resp    string // address or host name of the responder
	proto   string
	port    string
	flow    string // the flow broken, or expected
	note    string
}

// windows lists every window there is, in the order of recording.
func windows() []*window {
	return []*window{
		acronisClean(), acronisDeviating(),
		configmgrClean(), configmgrDeviating(),
		databoxClean(), databoxDeviating(),
		lyncClean(), lyncDeviating(),
		ibmClean(), ibmDeviating(),
		noisy(), payload(),
	}
}

// writeExpect lists what an audit of a window must find in NAME.expect.yaml; nothing, for a clean one.
func writeExpect(w *window, out string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# What an audit of %s.pcapng must find: these findings, and nothing else that decides.\n", w.name)
	fmt.Fprintf(&b, "site: %s\nrules: [%s]\n", w.site, strings.Join(w.rules, ", "))
	list(&b, "findings", w.planted)
	b.WriteString("# What it must see and judge so, without counting it against the window.\n")
	list(&b, "seen", w.silent)
	return replace(filepath.Join(out, w.name+".expect.yaml"), []byte(b.String()))
}

func list(b *strings.Builder, key string, all []planted) {
	if len(all) == 0 {
		fmt.Fprintf(b, "%s: []\n", key)
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	for _, p := range all {
		fmt.Fprintf(b, "  - {kind: %s, verdict: %s, why: [%s], orig: %q, resp: %q, proto: %s, port: %q, flow: %q}",
			p.kind, p.verdict, strings.Join(strings.Fields(p.why), ", "), p.orig, p.resp, p.proto, p.port, p.flow)
		if p.note != "" {
			fmt.Fprintf(b, " # %s", p.note)
		}
		b.WriteByte('\n')
	}
}
