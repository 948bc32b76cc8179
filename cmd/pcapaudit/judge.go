package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"pcapaudit/capture"
	"pcapaudit/classify"
	"pcapaudit/rules"
)

var thisTool = classify.Tool{Name: "pcapaudit", Version: version}

// invocation is what the flags ask for, as the audit keeps it.
func (f *auditFlags) invocation(args []string) *classify.Invocation {
	p := &f.packets
	return &classify.Invocation{Captures: args, Rules: kept(f.rules), NoBaseline: f.noBaseline, Nets: kept(p.nets), Hosts: kept(p.hosts), Ports: kept(p.ports),
		Since: p.since, Until: p.until, Key: kept(p.key), Dedup: p.dedup, TunnelPorts: kept(p.tunnelPorts), MaxConnections: f.maxConns, Hash: f.hash}
}

// kept is list, never nil.
func kept(list []string) []string { return append([]string{}, list...) }

// captureConfig is what an invocation reads, and how.
func captureConfig(v *classify.Invocation) (capture.Config, error) {
	c := capture.Config{Inputs: v.Captures, Hash: v.Hash == "sha256", MaxConnections: v.MaxConnections}
	p := packetFlags{nets: v.Nets, hosts: v.Hosts, ports: v.Ports, since: v.Since, until: v.Until, key: v.Key, dedup: v.Dedup, tunnelPorts: v.TunnelPorts}
	return c, p.config(&c)
}

// While captures are judged, heapFloor of memory that nobody touches counts as live, so that a small audit is not collected again and again; beyond that the
// heap grows by garbagePercent, not by as much again. Against Go's own measure that took a tenth off the time of small captures, and 50 of 330 MiB off large ones.
const (
	heapFloor      = 64 << 20
	garbagePercent = 50
)

// longReport is the number of findings whose report takes more memory than it costs time to collect what judged them: of 17,000 it is 35 of 215 MiB.
const longReport = 1 << 13

// collectSeldom takes effect until judge returns, and while reports are written. Before rules are loaded the floor is memory that was never used: later Go may have
// to clear it, and 64 MiB more are resident.
func (u *ui) collectSeldom() {
	debug.SetGCPercent(garbagePercent)
	if u.floor == nil {
		u.floor = make([]byte, heapFloor)
	}
}

// judge reads captures and judges what is in them. nameOf gives the name that an input has in the audit; "" leaves it.
func (u *ui) judge(ctx context.Context, c capture.Config, set *rules.Set, o classify.Options, nameOf func(path string) string) (*classify.Audit, *capture.Result, error) {
	u.collectSeldom()
	long := false
	defer func() {
		u.floor = nil
		if long {
			runtime.GC() // what judged is garbage now: a long report takes its room
		}
	}()
	auditor := classify.New(set, o)
	c.Workers = runtime.GOMAXPROCS(0)
	c.Emit = auditor.Observe
	c.Learn.Name, c.Learn.Announcement = auditor.LearnName, auditor.LearnAnnouncement
	result, err := u.read(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	for i := range result.Inputs {
		if name := nameOf(result.Inputs[i].Name); name != "" {
			result.Inputs[i].Name = name
		}
	}
	audit, err := auditor.Finish(captureFacts(result))
	long = auditor.Findings() > longReport
	if err != nil {
		return nil, nil, exitError{exitLedger, err}
	}
	return audit, result, nil
}

// passedOver begins the warnings about files that were no captures.
const passedOver = classify.PassedOver
