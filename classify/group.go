package classify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Group is findings of one kind about one service, for a reader: hundreds of hosts with the same trouble are one line.
type Group struct {
	Title       string // "tcp/88: 587 hosts -> 2 unlisted responders"
	Severity    string
	Verdict     string
	Why         []string
	Decides     bool
	Connections uint64
	Findings    []*Finding // in the order of the audit
}

// scanServices is the number of different responder and service pairs that make failed attempts of one originator a scan.
const scanServices = 16

// Groups folds findings: first the failed attempts of scanning originators, then by verdict, reason and service. Order: severity, deciding first, connections.
func Groups(findings []Finding) []Group {
	attempts := map[string]int{}
	for i := range findings {
		if f := &findings[i]; isAttempt(f) {
			attempts[f.Orig.name()]++
		}
	}
	byKey := map[string]*Group{}
	var order []*Group
	for i := range findings {
		f := &findings[i]
		key := fmt.Sprint(f.Severity, f.Kind, f.Verdict, f.Why, f.Service, f.Decides)
		if f.Kind != "connection" {
			key = f.ID
		} else if isAttempt(f) && attempts[f.Orig.name()] >= scanServices {
			key = "scan " + f.Orig.name()
		}
		g := byKey[key]
		if g == nil {
			g = &Group{Severity: f.Severity, Verdict: f.Verdict, Why: f.Why, Decides: f.Decides}
			byKey[key] = g
			order = append(order, g)
		}
		g.Findings = append(g.Findings, f)
		g.Connections += f.Connections
	}
	groups := make([]Group, len(order))
	for i, g := range order {
		g.Title = g.title(attempts)
		groups[i] = *g
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)), -boolCompare(a.Decides, b.Decides), -cmp.Compare(a.Connections, b.Connections))
	})
	return groups
}

// isAttempt is an unexpected connection that never got an answer.
func isAttempt(f *Finding) bool {
	if f.Kind != "connection" || f.Verdict != "unexpected" {
		return false
	}
	for _, o := range f.Outcomes {
		if o.Outcome != "refused" && o.Outcome != "unanswered" && o.Outcome != "one-way" {
			return false
		}
	}
	return true
}

func (g *Group) title(attempts map[string]int) string {
	f := g.Findings[0]
	if len(g.Findings) == 1 {
		return f.Summary
	}
	if isAttempt(f) && attempts[f.Orig.name()] >= scanServices {
		return g.scanTitle()
	}
	origs, resps, unlisted := map[string]bool{}, map[string]bool{}, 0
	for _, f := range g.Findings {
		origs[f.Orig.name()] = true
		if !resps[f.Resp.name()] && f.Resp.unlisted() {
			unlisted++
		}
		resps[f.Resp.name()] = true
	}
	to := f.Resp.name()
	if len(resps) > 1 {
		to = fmt.Sprintf("%d responders", len(resps))
		if unlisted == len(resps) {
			to = fmt.Sprintf("%d unlisted responders", unlisted)
		}
	}
	from := f.Orig.name()
	if len(origs) > 1 {
		from = fmt.Sprintf("%d hosts", len(origs))
	}
	return fmt.Sprintf("%s: %s -> %s", f.Service, from, to)
}

// scanTitle says how wide and how deep a scan was: each finding is one service of one responder.
func (g *Group) scanTitle() string {
	services, resps := map[string]bool{}, map[string]bool{}
	for _, f := range g.Findings {
		services[f.Service], resps[f.Resp.name()] = true, true
	}
	what, whom := g.Findings[0].Service, g.Findings[0].Resp.name()
	if len(services) > 1 {
		what = fmt.Sprintf("%d services", len(services))
	}
	if len(resps) > 1 {
		whom = fmt.Sprintf("%d responders", len(resps))
	}
	return fmt.Sprintf("%s tried %s on %s and got no connection", g.Findings[0].Orig.name(), what, whom)
}

// name is the host's name, or its address where the site does not know it.
func (e EndRef) name() string {
	if e.Host != "" {
		return e.Host
	}
	return e.IP
}

// unlisted is an end that is neither a host nor a documented or multicast address.
func (e EndRef) unlisted() bool {
	addr, err := netip.ParseAddr(e.IP)
	return e.Host == "" && len(e.Roles) == 0 && (err != nil || !addr.IsMulticast())
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
