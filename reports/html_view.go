package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/classify"
)

// Limits of the HTML page. They hold it under 5 MB, whatever the audit is.
const (
	htmlCards    = 200     // groups of findings shown in full
	htmlMembers  = 6       // findings shown of a group
	htmlLines    = 300     // further groups, one line each
	htmlRoom     = 2 << 20 // bytes of findings in full, roughly
	htmlHosts    = 12      // hosts named by a finding or an expectation
	htmlRows     = 200     // rows of the other tables
	htmlInputs   = 200     // inputs described in full
	htmlProfiles = 32      // hosts in the chart of source ports
	htmlReasons  = 8       // reasons of the result
)

// htmlView is what the page shows: the audit with its long lists cut, and what is computed from it.
type htmlView struct {
	Audit      classify.Audit // lists cut; without findings, matrix and timeline, which have views of their own
	Title      string
	Inputs     string // in short
	Packs      []string
	Identity   []classify.PackRef
	Held       []string // which rules held when, where they changed
	Site       string
	Covered    string
	Losses     string
	Reasons    folding
	Severities []severityView
	Folded     string // what the findings leave out
	Packets    uint64
	Flows      []flowView
	Tested     []classify.StatusCount // expectations by status, hosts
	Matrix     *matrixChart           // nil without a site
	Timeline   *timelineChart         // nil where nothing has a time
	Ports      *portChart             // nil where no source port is known
	Inventory  *inventoryView         // nil where the site has no hosts from inventories
	Lists      []classify.InventoryRef
	InputCards []inputView
	More       moreView
	Checksums  []string // lines for sha256sum -c
	Unhashed   bool
	Live       bool       // an input was watched live
	Command    []pairView // what the audit was asked
	JSONOnly   bool       // something was left out of the page
}

// folding counts what a list leaves out.
type folding struct {
	Shown []string
	More  int
}

// moreView counts what the tables leave out.
type moreView struct{ Parts, Inputs, Flows, Baseline, Exceptions, Warnings, Gaps, Blind, Rules, Encryption, Observations, Expectations, Detail, Lists int }

// flowView is an expectation with its places in the documents.
type flowView struct {
	classify.Expectation
	Pack, Name string
	Places     []string
	Absent     []absentView
	MoreAbsent int

	MoreObserved int
}

// absentView is the hosts of which a flow was not observed for one reason, which begins with the status.
type absentView struct {
	Reason string
	Hosts  []string
	More   int
}

func newHTMLView(a *classify.Audit) *htmlView {
	v := &htmlView{Audit: *a, Title: "Traffic audit", Inputs: inputsText(a.Inputs), Packs: packsText(a.Packs), Site: strings.TrimPrefix(siteText(a.Site), "site "), Losses: lossText(&a.Coverage)}
	if a.Site != nil && a.Site.Name != "" {
		v.Title += ": " + a.Site.Name
	}
	v.Covered = periodText(a)
	v.Reasons.Shown, v.Reasons.More = cut(a.Result.Reasons, htmlReasons)
	for _, t := range a.Totals {
		v.Packets += t.Packets
	}
	v.findings(a)
	v.expectations(a)
	v.Inventory = newInventoryView(a.Inventory)
	v.Lists, v.More.Lists = cut(inventoriesOf(a), htmlRows)
	v.Matrix, v.Timeline, v.Ports = newMatrixChart(a.Matrix), newTimelineChart(a), newPortChart(a.SourcePorts)
	v.inputs(a)
	v.Command = commandRows(a.Invocation)
	v.cut()
	v.JSONOnly = v.Folded != "" || v.More != moreView{} || v.Inventory != nil && v.Inventory.MoreUnseen+v.Inventory.MoreUnlisted > 0
	return v
}

// cut gives the first of a list and the number of the others.
func cut[T any](list []T, most int) ([]T, int) {
	if len(list) <= most {
		return list, 0
	}
	return list[:most], len(list) - most
}

// cut shortens the tables that come from the audit as they are.
func (v *htmlView) cut() {
	a := &v.Audit
	a.Findings, a.Expectations, a.Matrix, a.Timeline, a.SourcePorts, a.Inputs = nil, nil, nil, classify.Timeline{}, nil, nil
	a.Inventory = nil
	a.Flows, v.More.Flows = cut(a.Flows, htmlRows)
	a.Baseline, v.More.Baseline = cut(a.Baseline, htmlRows)
	a.Exceptions, v.More.Exceptions = cut(a.Exceptions, htmlRows)
	a.Warnings, v.More.Warnings = cut(a.Warnings, htmlRows)
	a.Period.Gaps, v.More.Gaps = cut(a.Period.Gaps, htmlRows)
	a.Coverage.Live, _ = cut(a.Coverage.Live, htmlRows)
	a.Coverage.Blind, v.More.Blind = cut(a.Coverage.Blind, htmlRows)
	v.More.Blind += a.Coverage.MoreBlind
	v.More.Rules = max(0, len(a.Rules)-htmlRows)
	v.Held, a.Rules = heldLines(a.Rules, htmlRows), nil
	a.Observations, v.More.Observations = cut(a.Observations, htmlRows)
	a.Packets.Detail, v.More.Detail = cut(a.Packets.Detail, htmlRows)
	e := &a.Encryption
	var more [4]int
	e.Verified, more[0] = cut(e.Verified, htmlRows)
	e.NotVerified, more[1] = cut(e.NotVerified, htmlRows)
	e.Cleartext, more[2] = cut(e.Cleartext, htmlRows)
	e.ClientCerts, more[3] = cut(e.ClientCerts, htmlRows)
	for _, n := range more {
		v.More.Encryption += n
	}
	a.Packs, _ = cut(a.Packs, htmlRows)
	for _, k := range a.Packs {
		k.Documents, _ = cut(k.Documents, htmlHosts)
		v.Identity = append(v.Identity, k)
	}
	a.Result.LookAt, _ = cut(a.Result.LookAt, 3)
	a.Result.Basis, a.Result.Reasons, a.Invocation = classify.Basis{}, nil, nil
	a.Parts, v.More.Parts = cut(a.Parts, htmlRows)
	if a.Annotations != nil {
		n := *a.Annotations
		n.Stale, _ = cut(n.Stale, htmlHosts)
		a.Annotations = &n
	}
	a.Coverage.CannotShow, _ = cut(a.Coverage.CannotShow, htmlRows)
	a.Coverage.CaptureFilters, _ = cut(a.Coverage.CaptureFilters, htmlRows)
	a.Residuals, _ = cut(a.Residuals, htmlRows)
}

func periodText(a *classify.Audit) string {
	if a.Period.CoveredFrom == "" {
		return "no packet has a usable time" + asked(a.Period)
	}
	return fmt.Sprintf("%s to %s UTC", shortTime(a.Period.CoveredFrom), shortTime(a.Period.CoveredLast)) + asked(a.Period)
}

// lossText is what the captures and the sequence numbers tell of lost packets.
func lossText(c *classify.Coverage) string {
	loss := "none reported by the captures"
	if c.Dropped > 0 {
		loss = fmt.Sprintf("%s reported by the captures (%.2f %%)", plural(c.Dropped, "packet"), c.LossPercent)
	}
	if l := &c.Loss; l.Missed > 0 {
		loss += fmt.Sprintf("; %s missing by estimate (%.2f %% of TCP)", plural(l.Missed, "packet"), l.Percent)
	}
	return loss
}

// statusOrder is the order in which a reader wants the flows: what is wrong, what was seen, what nothing tells.
var statusOrder = []string{"missing", "attempted", "observed", "not-observed", "not-triggered", "not-testable"}

// expectations lists every documented flow applied to the site with its status, and sums them.
func (v *htmlView) expectations(a *classify.Audit) {
	list := slices.Clone(a.Expectations)
	slices.SortStableFunc(list, func(x, y classify.Expectation) int { return cmp.Compare(statusRank(x), statusRank(y)) })
	for _, status := range statusOrder {
		hosts := 0
		for _, e := range list {
			for _, s := range e.Statuses {
				if s.Status == status {
					hosts += s.Hosts
				}
			}
		}
		if hosts > 0 {
			v.Tested = append(v.Tested, classify.StatusCount{Status: status, Hosts: hosts})
		}
	}
	list, v.More.Expectations = cut(list, 2*htmlRows)
	for _, e := range list {
		f := flowView{Expectation: e, Places: allPlaces(e.Cite)}
		f.Absent, f.MoreAbsent = cut(absent(e.Open), htmlHosts)
		f.Open, f.Cite, f.From, f.To = nil, nil, nil, nil
		f.Observed, f.MoreObserved = cut(e.Observed, htmlHosts)
		f.Samples, _ = cut(e.Samples, 3)
		f.Pack, f.Name, _ = strings.Cut(e.Flow, "/")
		v.Flows = append(v.Flows, f)
	}
}

// statusRank is the first status in that order that a host of the flow has.
func statusRank(e classify.Expectation) int {
	best := len(statusOrder)
	for _, s := range e.Statuses {
		if i := slices.Index(statusOrder, s.Status); i >= 0 {
			best = min(best, i)
		}
	}
	return best
}

// absent folds hosts by status and reason, in the order of the first of each.
func absent(list []classify.HostStatus) []absentView {
	at := map[string]int{}
	var out []absentView
	for _, h := range list {
		reason := strings.TrimSuffix(statusLead(h.Status)+strings.TrimPrefix(h.Reason, attemptedLead), ": ")
		i, known := at[reason]
		if !known {
			i = len(out)
			at[reason] = i
			out = append(out, absentView{Reason: reason})
		}
		if len(out[i].Hosts) < htmlHosts {
			out[i].Hosts = append(out[i].Hosts, h.Host)
		} else {
			out[i].More++
		}
	}
	return out
}

// commandRows is what the audit was asked, as far as it was asked.
func commandRows(i *classify.Invocation) []pairView {
	if i == nil {
		return nil
	}
	rows := []pairView{}
	add := func(label string, values ...string) {
		if kept, more := cut(values, htmlHosts); len(strings.Join(kept, "")) > 0 {
			text := strings.Join(kept, ", ")
			if more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			rows = append(rows, pairView{label, text})
		}
	}
	add("Captures", i.Captures...)
	add("--rules", i.Rules...)
	add("--net", i.Nets...)
	add("--host", i.Hosts...)
	add("--port", i.Ports...)
	add("--since", i.Since)
	add("--until", i.Until)
	add("--key", i.Key...)
	add("--tunnel-port", i.TunnelPorts...)
	add("--hash", i.Hash)
	if i.MaxConnections > 0 {
		add("--max-connections", fmt.Sprint(i.MaxConnections))
	}
	if i.Dedup {
		add("--dedup", "on")
	}
	if i.NoBaseline {
		add("--no-baseline", "on")
	}
	return rows
}

// allPlaces are citations folded by document.
func allPlaces(cites []string) []string {
	kept, more := cut((&page{look: Look{All: true}}).places(cites), htmlHosts)
	if more > 0 {
		kept = append(kept[:len(kept):len(kept)], fmt.Sprintf("and %d more", more))
	}
	return kept
}
