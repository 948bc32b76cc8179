package monitor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pcapaudit/classify"
	"pcapaudit/rules"
)

// maxParts bounds the parts of a period that are kept one by one: each change of the rules and each restart begins one. Beyond it they become one.
const maxParts = 1 << 4

const day = int64(24 * time.Hour)

// periodAt is the period that a time lies in. Intervals of whole days, and those that divide a day, are aligned to midnight in the zone, where a day may have 23 or 25
// hours; other ones to 1970 UTC.
func (m *Monitor) periodAt(now int64) classify.Span {
	n := m.opts.Interval
	if n <= 0 {
		return classify.Span{From: now, Until: never}
	}
	y, month, d := time.Unix(now/1e9, now%1e9).In(m.opts.Zone).Date()
	midnight := func(after int) int64 { return beginning(time.Date(y, month, d+after, 0, 0, 0, 0, m.opts.Zone)) }
	switch {
	case n%day == 0:
		days := int(n / day)
		since := int(time.Date(y, month, d, 0, 0, 0, 0, time.UTC).Unix()/int64(day/1e9)) % days
		return classify.Span{From: midnight(-since), Until: midnight(days - since)}
	case day%n == 0:
		k := min((now-midnight(0))/n, day/n-1)
		s := classify.Span{From: midnight(0) + k*n, Until: min(midnight(0)+(k+1)*n, midnight(1))}
		if k == day/n-1 {
			s.Until = midnight(1)
		}
		return s
	}
	from := now - (now%n+n)%n
	return classify.Span{From: from, Until: from + n}
}

// beginning of the day of which time.Date gave midnight. Where the clocks jump over it, that may be an hour of the day before: the day begins when they jump.
func beginning(midnight time.Time) int64 {
	if midnight.Hour() >= 12 {
		_, midnight = midnight.ZoneBounds()
	}
	return midnight.UnixNano()
}

// Period is the one that goes on; Until is the greatest int64 where it has no end.
func (m *Monitor) Period() classify.Span { return m.period }

// Due moves the packet clock and says whether the period has ended, or is yet to come because the clock was set back: then the capture is to be cut, open connections witnessed, and EndPeriod called.
func (m *Monitor) Due(now int64) bool {
	m.advance(now)
	return m.now >= m.period.Until || m.now < m.period.From-clockSlack
}

// part is a part of a period that has ended, as audit JSON.
type part struct {
	raw []byte
	sum string // SHA-256 of raw
}

func partOf(a *classify.Audit) (part, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return part{}, fmt.Errorf("keep a part of the period: %w", err)
	}
	sum := sha256.Sum256(raw)
	return part{raw, hex.EncodeToString(sum[:])}, nil
}

// source reads a part again.
func (p *part) source() (classify.Source, error) {
	a, sum, err := classify.Load(bytes.NewReader(p.raw))
	if err != nil {
		return classify.Source{}, err
	}
	return classify.Source{File: "the part from " + a.Period.CoveredFrom, SHA256: sum, Audit: a}, nil
}

// combined is the audit of the whole period, of which now is the last part. Where they cannot be combined it is that part alone.
func (m *Monitor) combined(now *classify.Audit) (*classify.Audit, error) {
	if len(m.parts) == 0 || len(now.Residuals) > 0 {
		return now, nil
	}
	last, err := partOf(now)
	if err != nil {
		return now, err
	}
	whole, err := joined(append(slices.Clip(m.parts), last), m.opts.Tool)
	if err != nil {
		return now, err
	}
	return whole, nil
}

// joined is one audit of parts.
func joined(parts []part, tool classify.Tool) (*classify.Audit, error) {
	var list []classify.Source
	for _, p := range parts {
		s, err := p.source()
		if err != nil {
			return nil, fmt.Errorf("read a part of the period: %w", err)
		}
		list = append(list, s)
	}
	whole, err := classify.CombineParts(list, tool)
	if err != nil {
		return nil, fmt.Errorf("combine the parts of the period: %w", err)
	}
	return whole, nil
}

// keep adds a part of the period. Many become one; those that cannot are lost from the front, which leaves blind time in their place.
func (m *Monitor) keep(p part) {
	m.parts = m.squeezed(append(slices.Clip(m.parts), p))
}

func (m *Monitor) squeezed(parts []part) []part {
	if len(parts) < maxParts {
		return parts
	}
	if whole, err := joined(parts, m.opts.Tool); err == nil {
		if p, err := partOf(whole); err == nil {
			return []part{p}
		}
	}
	more := len(parts) - maxParts + 1
	m.counters.PartsLost += uint64(more)
	return parts[more:]
}

// Snapshot is the audit of the period so far; c is the capture since the part began. On an error the audit is that of the part alone.
func (m *Monitor) Snapshot(c classify.Capture) (*classify.Audit, error) {
	now, err := m.finish(c)
	whole, failed := m.combined(now)
	return whole, errors.Join(err, failed)
}

// Findings is how many findings of connections the part that goes on has. The cost of Snapshot grows with it.
func (m *Monitor) Findings() int { return m.auditor.Findings() }

func (m *Monitor) finish(c classify.Capture) (*classify.Audit, error) {
	a, err := m.auditor.Finish(c)
	if errors.Is(err, classify.ErrLedger) {
		m.counters.Ledgers++
	}
	return a, err
}

// EndPeriod gives the audit of the whole period, restored and reloaded parts included, and begins the next one: at once where the period has not ended yet, and never before it ended. On an error
// the audit is that of the last part alone, or a ledger does not balance (classify.ErrLedger); the next period begins all the same.
func (m *Monitor) EndPeriod(c classify.Capture) (*classify.Audit, error) {
	m.begun = true
	whole, err := m.Snapshot(c)
	m.counters.PeriodsEnded++
	m.standing(whole)
	m.parts = nil
	ended := m.period
	m.period = m.periodAt(m.now)
	switch {
	case ended.From <= m.now && m.now < ended.Until:
		m.period.From = m.now
	case ended.Until <= m.now: // one that was restored may have been aligned to another zone: no time is of two periods
		m.period.From = max(m.period.From, ended.Until)
	}
	m.audit()
	return whole, err
}

// Reload has other rules hold from now on: the part ends, with c as its capture, and another one begins. Names and announcements that are known stay known. An error says
// why the part that ended will not be in the report of the period (classify.ErrLedger); its time counts as blind there, and the new rules hold all the same.
func (m *Monitor) Reload(set *rules.Set, warnings []string, c classify.Capture) error {
	m.begun = true
	p, err := m.ended(c)
	if err == nil {
		m.keep(p)
	}
	m.set, m.warnings = set, warnings
	m.plan()
	m.looks.again = m.now
	m.audit()
	m.raise(Alert{Kind: KindReload, Severity: severities[info], Text: "other rules hold from now on: " + rulesWords(set)})
	return err
}

// ended is the part as it is now. One of which a ledger does not balance is none.
func (m *Monitor) ended(c classify.Capture) (part, error) {
	a, err := m.finish(c)
	if err != nil {
		return part{}, err
	}
	return partOf(a)
}

// ReloadRefused tells that other rules were not taken, and why.
func (m *Monitor) ReloadRefused(now int64, why error) {
	m.advance(now)
	m.raise(Alert{ID: hashID("reload"), Kind: KindReload, Severity: severities[medium], Text: "the rules stay as they were: " + why.Error(), Next: "correct the file; it is read again when it changes"})
}

func rulesWords(set *rules.Set) string {
	packs := 0
	for _, p := range set.Packs {
		if p.Kind != rules.Baseline {
			packs++
		}
	}
	text := plural(uint64(packs), "pack")
	if set.Site != nil {
		text += ", site " + set.Site.Name
		if len(set.Site.SHA256) >= 12 {
			text += " (sha256 " + set.Site.SHA256[:12] + ")"
		}
		if n := len(set.Site.HostsFrom); n > 0 {
			text += ", hosts from " + plural(uint64(n), "file")
		}
	}
	return text
}

// standing tells findings that only a whole period shows: expectations without a schedule, coupled ports, silent hosts, names. Those that were told and are none any more are
// resolved.
func (m *Monitor) standing(a *classify.Audit) {
	found, scheduled := map[string]bool{}, m.scheduled()
	for i := range a.Findings {
		f := &a.Findings[i]
		if s := (story{Kind: f.Kind}); !s.standing() || severityRank(f.Severity) > medium || f.Kind == "expectation" && scheduled[f.Flow] {
			continue
		}
		found[f.ID] = true
		m.stand(f)
	}
	for s := range m.stories.all() {
		if !s.standing() || s.Resolved || found[s.ID] || !overcome(a, s) {
			continue
		}
		s.Resolved = true
		kind := KindResolved
		if s.Kind == "expectation" {
			kind = KindRecovered
		}
		m.raise(Alert{ID: s.ID, Kind: kind, Severity: severities[info], Since: s.Since, Text: "not so in this period: " + s.Summary})
	}
}

func (m *Monitor) stand(f *classify.Finding) {
	s := m.stories.get(f.ID)
	change := ChangeNew
	switch grave := severityRank(f.Severity); {
	case s == nil:
		m.stories.put(f.ID, story{ID: f.ID, Since: m.now})
		s = m.stories.get(f.ID)
	case s.Resolved:
		change, s.Since = ChangeAgain, m.now
	case grave < s.Severity:
		change = ChangeGraver
	default:
		m.seen(s)
		return
	}
	s.Kind, s.Flow, s.Verdict, s.Severity, s.Summary, s.Resolved = f.Kind, f.Flow, f.Verdict, severityRank(f.Severity), shortened(f.Summary), false
	m.seen(s)
	kind := KindFinding
	if f.Kind == "expectation" {
		kind = KindMissing
	}
	m.raise(Alert{ID: f.ID, Kind: kind, Change: change, Severity: f.Severity, Connections: f.Connections, Bytes: f.Bytes, Text: f.Summary + ": " + f.Reason, Next: f.Look})
}

// overcome says whether a finding that a period does not have is really over: of an expectation only where the hosts were observed.
func overcome(a *classify.Audit, s *story) bool {
	if s.Kind != "expectation" {
		return true
	}
	i := slices.IndexFunc(a.Expectations, func(x classify.Expectation) bool { return x.Flow == s.Flow })
	if i < 0 {
		return true
	}
	met := false
	for _, n := range a.Expectations[i].Statuses {
		met = met || n.Status == "observed"
		if n.Status == "missing" || n.Status == "attempted" || n.Status == "not-testable" {
			return false
		}
	}
	return met
}
