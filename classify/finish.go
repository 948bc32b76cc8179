package classify

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"pcapaudit/rules"
)

// ErrLedger says that a ledger does not balance: the audit must not be trusted.
var ErrLedger = errors.New("a ledger does not balance")

// Finish gives the audit of everything observed so far. It may be called again, with more observed between the calls: it leaves what was summed up as it was, and the audit
// is the caller's. On an error that is ErrLedger the audit is complete and says what does not balance.
func (a *Auditor) Finish(c Capture) (*Audit, error) {
	a.settleAll()
	observed := a.sight
	defer func() { a.sight, a.open.judged, a.open.pending = observed, 0, 0 }()
	a.sight = a.sight.withOpaque(a, &c)
	a.people = a.sight.people()
	c.clip(a.opts.Filter)
	c.Gaps = gaps(c.Gaps, c.Blind)
	a.losses.judge(a.lossBound())
	c.Inputs = inputs(c.Inputs)
	undescribed := a.recorded(c.Inputs)
	w := a.window(&c)
	expectations, found, open := a.expectations(w, c.Inputs)
	couplings := a.coupled.findings(a, c.Inputs)
	found = slices.Concat(found, couplings, a.silentHosts(w), a.encryptions.findings(a, c.Inputs), a.names.findings(a, c.Inputs))
	found = append(a.connectionFindings(c.Inputs, len(found)), found...)
	sortFindings(found)
	out := &Audit{
		Schema: Schema, Tool: a.opts.Tool, Invocation: a.opts.Invocation, Inputs: c.Inputs, Packs: a.packRefs(), Site: a.siteRef(), Period: a.period(&c),
		Packets: ledger(c.Packets), Connections: ConnLedger{c.Created, c.Open, c.Emitted, notNil(c.Ends)}, Coverage: a.coverage(&c),
		Totals: a.sums.totals(), Kinds: a.sums.kindTotals(), Baseline: a.sums.flowTotals(a, true), Flows: a.sums.flowTotals(a, false),
		Findings: notNil(found), Overflow: a.findings.overflow, Expectations: expectations,
		OutOfScope: reasonTotals(a.sums.whys[:], whyNames[:]), Unverified: reasonTotals(a.sums.opens[:], openNames[:]),
		Encryption: a.encryptions.export(a), Observations: a.encryptions.observations(c.Inputs),
		Timeline: a.timeline(), Matrix: a.matrix.export(a), SourcePorts: a.sums.portProfiles(), Exceptions: a.sums.exceptionUses(a.set.Site),
		Inventory: a.inventory(w),
		Warnings:  notNil(slices.Concat(a.opts.Warnings, undescribed)), Residuals: a.residuals(&c),
	}
	v := &a.sums.verdicts
	f := Basis{Site: a.set.Site != nil, Drafts: a.drafts(), Judged: a.sums.observed - v[outOfScope].connections, Deviations: v[deviation].connections, Unexpected: a.sums.deciding,
		Coupled: len(couplings), Missing: open.missing, Attempted: open.attempted, Indeterminate: v[indeterminate].connections, Open: a.open.judged, Pending: a.open.pending, Unsaved: c.unsaved(), Blind: blindPercent(c.Live), Untestable: open.untestable,
		Cut: notNil(c.cut()), Interrupted: c.Interrupted, Evicted: c.Evicted, Loss: c.lossPercent(), Bound: a.lossBound(), PairLoss: notNil(a.losses.doubts()), Undecoded: c.undecodedPercent(), Refused: c.Refused}
	out.Result = f.result()
	out.Result.LookAt = lookAt(found)
	if len(out.Residuals) > 0 {
		return out, fmt.Errorf("%w: %s", ErrLedger, strings.Join(out.Residuals, "; "))
	}
	return out, nil
}

// residuals holds both ledgers against what was judged.
func (a *Auditor) residuals(c *Capture) []string {
	list := []string{}
	var packets, verdicts, ends uint64
	for _, n := range c.Packets.Classes {
		packets += n.Packets
	}
	for _, t := range a.sums.verdicts {
		verdicts += t.connections
	}
	for _, n := range c.Ends {
		ends += n.Packets
	}
	if packets != c.Packets.Read {
		list = append(list, fmt.Sprintf("%d packets read, %d in classes", c.Packets.Read, packets))
	}
	if c.Created != c.Open+c.Emitted {
		list = append(list, fmt.Sprintf("%d connections created, %d open and %d emitted", c.Created, c.Open, c.Emitted))
	}
	if c.Emitted != a.sums.observed || verdicts != c.Emitted {
		list = append(list, fmt.Sprintf("%d connections emitted, %d observed, %d judged", c.Emitted, a.sums.observed, verdicts))
	}
	if len(c.Ends) > 0 && ends != c.Emitted {
		list = append(list, fmt.Sprintf("%d connections emitted, %d by reason of ending", c.Emitted, ends))
	}
	return list
}

// connectionFindings describes what was folded, on all cores: nothing that this asks for changes while it is asked, but for the rules, which remember what
// they join and are asked before. The list has room for more.
func (a *Auditor) connectionFindings(files []Input, room int) []Finding {
	folds := slices.Collect(maps.Values(a.findings.byKey))
	nearest := make([]string, len(folds))
	for i, f := range folds {
		nearest[i] = a.nearest(f)
	}
	list := make([]Finding, len(folds), len(folds)+room)
	var wait sync.WaitGroup
	share := max(leastShare, (len(folds)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for from := 0; from < len(folds); from += share {
		wait.Go(func() {
			for i := from; i < min(from+share, len(folds)); i++ {
				list[i] = a.described(folds[i], files)
				list[i].Nearest = nearest[i]
			}
		})
	}
	wait.Wait()
	return list
}

// leastShare is the number of findings for which another core pays.
const leastShare = 256

func (a *Auditor) packRefs() []PackRef {
	list := []PackRef{}
	for _, p := range a.set.Packs {
		ref := PackRef{Name: p.Name, Kind: string(p.Kind), Title: p.Title, Version: p.ProductVersion, SHA256: p.SHA256, File: p.File, Status: string(p.Status), Documents: []string{}, Flows: len(p.Flows)}
		if a.set.Site != nil {
			for _, n := range a.set.Site.Installed {
				if n.Pack == p.Name {
					ref.Installed = n.Version + " (" + n.Source + ")"
				}
			}
		}
		for _, d := range p.Documents {
			if d.File != "" {
				ref.Documents = append(ref.Documents, d.File)
			} else {
				ref.Documents = append(ref.Documents, d.Title)
			}
		}
		list = append(list, ref)
	}
	return list
}

// drafts is how many of the packs and the site nobody has reviewed.
func (a *Auditor) drafts() (n int) {
	for _, p := range a.set.Packs {
		if p.Status == rules.DraftStatus {
			n++
		}
	}
	if a.set.Site != nil && a.set.Site.Status == rules.DraftStatus {
		n++
	}
	return n
}

func (a *Auditor) siteRef() *SiteRef {
	s := a.set.Site
	if s == nil {
		return nil
	}
	return &SiteRef{Name: s.Name, Status: string(s.Status), File: s.File, SHA256: s.SHA256, Hosts: len(s.Hosts), Inventories: a.inventoryRefs()}
}

// Lists in the JSON are never null.

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func inputs(list []Input) []Input {
	out := slices.Clone(notNil(list))
	for i := range out {
		out[i].Interfaces, out[i].Warnings = notNil(out[i].Interfaces), notNil(out[i].Warnings)
	}
	return out
}

func ledger(l PacketLedger) PacketLedger {
	l.Classes, l.Detail = notNil(l.Classes), notNil(l.Detail)
	return l
}
