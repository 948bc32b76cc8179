package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"pcapaudit/capture/flow"
)

// maxBlindTimes bounds the blind times that an audit names.
const maxBlindTimes = 1000

// BlindSpan is a time in which an interface was not watched, in ns since 1970 UTC.
type BlindSpan struct {
	Interface string // "" is all of them
	From, To  int64
	Cause     string // down, deleted, not there yet, stalled, clock step, not running
}

// LiveInterface is an interface that was watched. Kernel is what the kernel counted, delivered and dropped; Monitored and Blind are the time of the capture together.
type LiveInterface struct {
	Name      string `json:"name"`
	State     string `json:"state"` // up, down, gone: at the end
	Kernel    uint64 `json:"kernel_packets"`
	Delivered uint64 `json:"delivered"`
	Dropped   uint64 `json:"dropped"`
	Monitored int64  `json:"monitored_ns"`
	Blind     int64  `json:"blind_ns"`
}

// BlindTime is a BlindSpan as reports show it.
type BlindTime struct {
	Interface string `json:"interface"` // "" is all of them
	From      string `json:"from"`
	Until     string `json:"until"`
	Cause     string `json:"cause"`
}

// RulesHeld says which packs and site judged the connections that ended from From to Until.
type RulesHeld struct {
	From  string    `json:"from"`
	Until string    `json:"until"`
	Packs []PackRef `json:"packs"`
	Site  *SiteRef  `json:"site"`
}

// gaps are the times that no input covers and those in which an interface was blind, in order and without overlap: what passed there is not known.
func gaps(list []Span, blind []BlindSpan) []Span {
	list = slices.Clone(list)
	for _, b := range blind {
		list = append(list, Span{b.From, b.To})
	}
	list = slices.DeleteFunc(list, func(s Span) bool { return s.Until <= s.From })
	slices.SortFunc(list, func(a, b Span) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Until, b.Until)) })
	union := list[:0]
	for _, s := range list {
		if n := len(union); n > 0 && s.From <= union[n-1].Until {
			union[n-1].Until = max(union[n-1].Until, s.Until)
			continue
		}
		union = append(union, s)
	}
	return union
}

// blindTimes words the blind spans for reports, the first ones, and counts the others.
func blindTimes(list []BlindSpan) (times []BlindTime, more int) {
	for _, b := range list[:min(len(list), maxBlindTimes)] {
		times = append(times, BlindTime{b.Interface, flow.Stamp(b.From), flow.Stamp(b.To), b.Cause})
	}
	return times, max(0, len(list)-maxBlindTimes)
}

// blindPrefix begins the sentence on blind time.
const blindPrefix = "What passed "

// blindWords is the sentence on blind time among what an audit cannot show.
func blindWords(list []LiveInterface, spans int) string {
	var parts []string
	for _, i := range list {
		if i.Blind > 0 {
			parts = append(parts, fmt.Sprintf("%s for %s of %s", i.Name, seconds(i.Blind), seconds(i.Blind+i.Monitored)))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf(blindPrefix+"in %s in which an interface was not watched.", plural(uint64(spans), "time"))
	}
	return blindPrefix + "while an interface was not watched: " + strings.Join(first(parts, 5), ", ") + "."
}

// seconds is a length of time to the tenth of a second, or all of it where it is shorter.
func seconds(ns int64) string {
	d := time.Duration(ns)
	if d < 100*time.Millisecond {
		return d.String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func isBlind(list []LiveInterface) bool {
	return slices.ContainsFunc(list, func(i LiveInterface) bool { return i.Blind > 0 })
}

// blindPercent is the share of the time in which an interface was not watched, of the one that was watched least.
func blindPercent(list []LiveInterface) (share float64) {
	for _, i := range list {
		share = max(share, 100*float64(i.Blind)/max(1, float64(i.Blind+i.Monitored)))
	}
	return share
}
