package classify

import "pcapaudit/capture/flow"

// The rules of judgement in numbers. A site may tighten the loss bound.
const (
	defaultLossBound = 1.0 // percent of packets lost above which absence proves nothing and the result is inconclusive
	periodBound      = 5.0 // percent of the asked period that the capture may leave uncovered before absence proves nothing
)

// Severities, most severe first.
var severities = [...]string{"high", "medium", "low", "info"}

const (
	high = iota
	medium
	low
	info
)

func severityRank(s string) int {
	for i, name := range severities {
		if s == name {
			return i
		}
	}
	return len(severities)
}

// whySeverity rates what is wrong with a connection, in the order of the bits of why.
var whySeverity = [numWhys]int{
	high,   // originator
	medium, // source-port
	high,   // encryption
	medium, // condition
	medium, // hours
	medium, // unannounced
	low,    // document-silent: a question
	high,   // unknown-host
	high,   // undocumented-service
	medium, // wrong-roles
	info, info, info, info, info,
}

// statusSeverity rates an expectation that is not met; decides says whether the result rests on it.
func statusSeverity(s status, decides bool) int {
	switch {
	case s == notTestable:
		return low
	case decides:
		return high
	case s == attempted:
		return low
	}
	return info
}

// attempt is true where nothing shows that the responder took the connection.
func attempt(o flow.Outcome) bool {
	return o == flow.Refused || o == flow.Unanswered || o == flow.OneWay
}

// decides says whether a connection with this verdict counts for the result, and connectionSeverity how it is rated.
func decides(v verdict, attempts bool) bool {
	return v == deviation || v == unexpected && !attempts
}

func connectionSeverity(v verdict, w why, attempts bool) int {
	switch {
	case v == excepted:
		return info
	case v == indeterminate, v == unexpected && attempts:
		return low
	}
	worst := info
	for i, s := range whySeverity {
		if w&(1<<i) != 0 {
			worst = min(worst, s)
		}
	}
	return worst
}
