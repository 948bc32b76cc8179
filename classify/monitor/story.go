package monitor

import (
	"net/netip"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// Limits of what is remembered of findings.
const (
	maxStories   = 1 << 14            // findings that were told; beyond it the one not seen for longest is forgotten, and told again when it is seen again
	maxPending   = 1 << 16            // open connections of which a finding was told; further ones are judged when they end
	quietAfter   = int64(time.Hour)   // after which a finding without open connections is resolved
	maxResolved  = 16                 // findings that are resolved one by one in one quietPause
	quietPause   = int64(time.Minute) // between looks for quiet findings
	maxStoryText = 1 << 10            // bytes of a summary that is remembered
)

// story is what was told of one finding.
type story struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind"` // of the finding
	Flow        string     `json:"flow"`
	Summary     string     `json:"summary"`
	Verdict     string     `json:"verdict"`
	Severity    int        `json:"severity"`
	Outcome     int        `json:"outcome"` // see outcomeRank
	Orig        netip.Addr `json:"orig"`
	Since       int64      `json:"since"`
	Seen        int64      `json:"seen"` // by the packet clock
	Connections uint64     `json:"connections"`
	Bytes       uint64     `json:"bytes"`
	Resolved    bool       `json:"resolved"`

	open int // connections of it that were told and have not ended
}

// standing is true for a finding that only a whole period tells, not a connection.
func (s *story) standing() bool { return s.Kind != "connection" && s.Kind != "question" }

// provisional is what was told of a connection that has not ended.
type provisional struct {
	id       string // of the finding; "" where it was folded
	severity int    // of what was folded
	bytes    uint64 // that were counted
}

// tell sends the alert about a finding of a connection where there is something new to it. connections and bytes are what the connection adds to what was counted of it.
func (m *Monitor) tell(f *classify.Finding, c *flow.Conn, connections, bytes uint64) (s *story, folded bool) {
	grave, outcome := severityRank(f.Severity), outcomeRank(c.Outcome)
	s = m.stories.get(f.ID)
	change := Change("")
	switch {
	case s == nil:
		change = ChangeNew
	case s.Resolved:
		change = ChangeAgain
	case grave < s.Severity || outcome > s.Outcome:
		change = ChangeGraver
	}
	if change == ChangeNew || change == ChangeAgain {
		if !m.floods.admit(floodKey{c.Orig.Addr(), f.Verdict, f.Severity}, f, c, m.now) {
			m.counters.Folded++
			return nil, true
		}
		if s != nil {
			*s = story{ID: s.ID, open: s.open}
		} else {
			m.stories.put(f.ID, story{ID: f.ID})
			s = m.stories.get(f.ID)
		}
		s.Kind, s.Flow, s.Verdict, s.Severity, s.Outcome, s.Orig, s.Since = f.Kind, f.Flow, f.Verdict, grave, outcome, c.Orig.Addr(), c.First
	}
	s.Severity, s.Outcome = min(s.Severity, grave), max(s.Outcome, outcome)
	s.Since = min(s.Since, c.First)
	s.Connections += connections
	s.Bytes += bytes
	m.seen(s)
	if change == "" {
		m.counters.Repeated++
		return s, false
	}
	s.Summary = shortened(f.Summary)
	m.raise(Alert{ID: f.ID, Kind: KindFinding, Change: change, Severity: severities[s.Severity], Finding: f, Connections: s.Connections, Bytes: s.Bytes, Since: s.Since, Next: m.next(f)})
	return s, false
}

// seen says that a finding was seen now.
func (m *Monitor) seen(s *story) {
	s.Seen = m.now
	m.stories.touch(s.ID)
}

// shortened keeps a text within what is remembered.
func shortened(s string) string { return s[:min(len(s), maxStoryText)] }

// next is what to do about a finding, with commands of this program only.
func (m *Monitor) next(f *classify.Finding) string {
	if _, err := classify.ExceptionStanza(f); err != nil || !f.Decides {
		return f.Look
	}
	name, how := "AUDIT.json", ""
	if m.opts.Report != nil {
		if name, how = m.opts.Report(); how != "" {
			how = " (" + how + ")"
		}
	}
	return f.Look + "; why: pcapaudit explain " + name + " " + f.ID + how + "; if it is approved: pcapaudit except " + name + " " + f.ID
}

// retract takes back what was told of a connection that ended as something else. A finding of which nothing is left is resolved.
func (m *Monitor) retract(p *provisional, became string) {
	s := m.stories.get(p.id)
	if s == nil {
		return
	}
	s.open = max(s.open-1, 0)
	s.Connections -= min(1, s.Connections)
	s.Bytes -= min(p.bytes, s.Bytes)
	if s.Connections > 0 || s.Resolved {
		return
	}
	s.Resolved = true
	m.raise(Alert{ID: s.ID, Kind: KindResolved, Severity: severities[info], Since: s.Since, Text: "did not prove true, the connection is " + became + ": " + s.Summary})
}

// quiet resolves findings that were not seen for a while: those of which no connection is open, and that no flood hides.
func (m *Monitor) quiet() {
	if m.now < m.nextQuiet {
		return
	}
	m.nextQuiet = m.now + quietPause
	var more uint64
	resolved := 0
	for n := m.stories.len(); n > 0; n-- {
		s := m.stories.first()
		if m.now-s.Seen < quietAfter {
			break
		}
		hidden := s.Outcome <= outcomeRank(flow.Refused) && m.floods.busy(floodKey{s.Orig, s.Verdict, severities[s.Severity]})
		if s.Resolved || s.standing() || s.open > 0 || hidden {
			m.seen(s)
			continue
		}
		s.Resolved = true
		m.seen(s)
		if resolved++; resolved > maxResolved {
			more++
			continue
		}
		m.raise(Alert{ID: s.ID, Kind: KindResolved, Severity: severities[info], Connections: s.Connections, Bytes: s.Bytes, Since: s.Since, Text: "not seen for " + words(quietAfter) + ": " + s.Summary})
	}
	if more > 0 {
		m.raise(Alert{Kind: KindResolved, Severity: severities[info], Text: "not seen for " + words(quietAfter) + ": " + plural(more, "further finding")})
	}
}
