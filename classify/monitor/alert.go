package monitor

import (
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// Kind says what an Alert is about.
type Kind string

const (
	KindFinding   Kind = "finding"   // a finding that is new, graver than before, or back after it was resolved
	KindResolved  Kind = "resolved"  // a finding that was not seen for a while, or did not prove true; a flood that is over; an interface that is watched again
	KindFlood     Kind = "flood"     // findings that were not told one by one
	KindMissing   Kind = "missing"   // an expectation that is not met
	KindRecovered Kind = "recovered" // it is met again
	KindBlind     Kind = "blind"     // something is not watched
	KindHeartbeat Kind = "heartbeat"
	KindReload    Kind = "reload" // other rules hold from now on, or were refused
)

// Change says what is new about a finding.
type Change string

const (
	ChangeNew    Change = "new"
	ChangeGraver Change = "graver" // severity or outcome is beyond what was told
	ChangeAgain  Change = "again"  // it was resolved
)

// Alert is what somebody should know now. Its strings may hold hostile text: who writes them cleans them.
type Alert struct {
	ID       string // of the finding or of what the alert is about; what resolves or recovers has the id of what it ends; "" where it is about nothing of its own
	Kind     Kind
	Change   Change // of a finding
	Severity string // high, medium, low, info
	Time     int64  // packet clock, ns since 1970 UTC
	Text     string // in words, without times; "" for findings and floods, which say it by their fields
	Next     string // what to do; "" where there is nothing

	Finding     *classify.Finding // of KindFinding about connections: as the connection that made the alert shows it
	Flood       *Flood            // of KindFlood
	Connections uint64            // so far
	Bytes       uint64
	Since       int64 // when it began; 0 where that is not known

	Acknowledged *Acknowledged // who knows of it, or knew; nil: nobody is known to
}

// Flood is findings that were folded, in one window of time.
type Flood struct {
	Verdict  string
	From     string // the originator; "" for several
	Origs    int    // different originators, where there are several
	Hosts    int    // different responders
	MoreThan bool   // there were more originators or responders than are counted
	Services []string
	More     bool // there were further services
	Outcomes []classify.OutcomeCount
	Window   int64  // ns
	Total    uint64 // connections since the flood began
}

// Scan is true where one originator got nothing but failed attempts.
func (f *Flood) Scan() bool {
	return f.From != "" && !slices.ContainsFunc(f.Outcomes, func(o classify.OutcomeCount) bool {
		return o.Outcome != flow.Refused.String() && o.Outcome != flow.Unanswered.String() && o.Outcome != flow.OneWay.String()
	})
}

// severities, gravest first.
var severities = [...]string{"high", "medium", "low", "info"}

const (
	high = iota
	medium
	low
	info
)

func severityRank(s string) int {
	if i := slices.Index(severities[:], s); i >= 0 {
		return i
	}
	return info
}

func attempt(o flow.Outcome) bool {
	return o == flow.Refused || o == flow.Unanswered || o == flow.OneWay
}

// outcomeRank orders outcomes by what came of them: nothing, a refusal, something, a connection.
func outcomeRank(o flow.Outcome) int {
	switch o {
	case flow.Unanswered, flow.OneWay:
		return 0
	case flow.Refused:
		return 1
	case flow.Established, flow.Answered:
		return 3
	}
	return 2
}

// raise counts an alert and gives it to whoever wants it, unless what it is about is acknowledged.
func (m *Monitor) raise(a Alert) {
	a.Time = m.now
	if m.hold(&a) {
		return
	}
	m.counters.Alerts[a.Kind]++
	if m.opts.Alert != nil {
		m.opts.Alert(a)
	}
}
