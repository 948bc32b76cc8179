package main

import (
	"fmt"
	"os"
	"time"

	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// ackLoader follows the file of acknowledgements. Its methods run in the goroutine of the capture, unless they say otherwise; those of nil do nothing.
type ackLoader struct {
	u       *ui
	file    string
	loaded  chan *rules.Acknowledgements // nil: refused
	held    *rules.Acknowledgements
	taken   string // stamp of the file that is held
	refused bool
	shown   []reports.Known
}

// newAckLoader reads the file for the first time; nil for "".
func newAckLoader(u *ui, file string) (*ackLoader, error) {
	if file == "" {
		return nil, nil
	}
	a := &ackLoader{u: u, file: file, loaded: make(chan *rules.Acknowledgements, 1)}
	a.taken = a.stamp()
	var problems []rules.Problem
	a.held, problems = rules.LoadAcknowledgements(file)
	return a, u.report(problems)
}

// start begins to look at the file.
func (a *ackLoader) start() {
	if a != nil {
		go a.run()
	}
}

// run is the goroutine. A file that changed is read when it has been the same at two looks.
func (a *ackLoader) run() {
	taken, before := a.taken, ""
	for range time.Tick(lookForRules) {
		now := a.stamp()
		if now != taken && now == before && now != "" {
			taken = now
			list, problems := rules.LoadAcknowledgements(a.file)
			if a.u.report(problems) == nil {
				fmt.Fprintf(a.u.err, "pcapaudit: %s: %d acknowledgements hold from now on\n", reports.Clean(a.file), len(list.List))
			}
			a.loaded <- list
		}
		before = now
	}
}

// stamp tells whether the file has changed; "" where it is not there.
func (a *ackLoader) stamp() string {
	st, err := os.Stat(a.file)
	if err != nil {
		return ""
	}
	return fmt.Sprint(st.Size(), st.ModTime().UnixNano())
}

// heed takes what was loaded.
func (a *ackLoader) heed(m *monitor.Monitor, now int64) {
	if a == nil {
		return
	}
	select {
	case list := <-a.loaded:
		if a.refused = list == nil; !a.refused {
			a.held = list
			a.take(m, now)
		}
	default:
	}
}

// take has the monitor know of what is held.
func (a *ackLoader) take(m *monitor.Monitor, now int64) {
	if a == nil {
		return
	}
	a.shown = nil
	for _, n := range a.held.List {
		a.shown = append(a.shown, reports.Known{Finding: n.Finding, Who: n.Who, Text: n.Text, Until: n.End()})
	}
	m.Acknowledge(now, a.held.List)
}

// listed are the acknowledgements that hold, and whether the last change of the file was refused.
func (a *ackLoader) listed() ([]reports.Known, bool) {
	if a == nil {
		return nil, false
	}
	return a.shown, a.refused
}
