package classify

import (
	"net/netip"
	"slices"
	"time"
)

// Capture is what is known of the capture as a whole when it has been read. Times are ns since 1970 UTC.
type Capture struct {
	Inputs  []Input
	Packets PacketLedger

	Created, Open, Emitted uint64  // connections
	Ends                   []Count // emitted connections by reason of ending

	First, Last  int64  // smallest and largest usable packet time; both 0 where there is none
	Gaps         []Span // inside that time, covered by no input
	Dropped      uint64 // packets that the captures say they lost
	Truncated    uint64 // packets of which the capture kept only the head
	Unopened     uint64 // payloads on tunnel ports and protocols that were not opened: no tunnel, or one of a sort that is not known
	Refused      uint64 // fragments that overlap others: what they carry is not known
	Undecoded    uint64 // packets that are no connection's, or carry such: truncated headers, malformed, unsupported, unmatched fragments, encrypted links
	TimeBackward uint64 // steps backward in packet time
	Evicted      uint64 // connections that ended because the table was full
	Filtered     uint64 // packets that the filter left out
	Duplicates   uint64 // packets that were identical copies
	Interrupted  bool   // reading was ended before the inputs were
	Broken       uint64 // packets with a wrong checksum, no evidence of what they say
	Unfinished   uint64 // fragmented datagrams of which fragments are missing
	HeadersCut   uint64 // packets that the capture cut within their headers
	Unfollowed   uint64 // TCP connections of which losses were not estimated
	Inspection   Inspection
	Aggregated   uint64 // 802.11 frames of which only the first packet was read

	Blind      []BlindSpan     // live: times in which an interface was not watched; they are gaps as well
	Live       []LiveInterface // live: the interfaces
	Broke      *Break          // live: nothing was watched any more, and these connections did not end; nil elsewhere, see Interrupted
	SiteFilter string          // live: the filter of interfaces that leaves out only what lies outside the site's networks, as Interface.Filter has it: absence proves as much as without it

	Untold       uint64 // live: times that the kernel told of more address translations than were read
	Untranslated uint64 // live: translated connections beyond those that are known at once; each side is judged as it was seen

	Opaque     []OpaqueTunnel // that the decoder could not open
	OpaqueMore uint64         // packets of further ones, beyond the limit
}

// OpaqueTunnel is two hosts whose packets carry others that could not be read.
type OpaqueTunnel struct {
	A, B netip.Addr
	Name string
}

// Inspection says what reading payloads came to.
type Inspection struct {
	Recognised   uint64 `json:"recognised"`   // connections
	Unrecognised uint64 `json:"unrecognised"` // connections of which payload was read, and nothing recognised
	Broken       uint64 `json:"broken"`       // connections of which bytes are missing or cut before everything was told
	Crowded      uint64 `json:"crowded"`      // connections that were let go early because too much was held at once
	FactsLost    uint64 `json:"facts_lost"`   // what was told beyond the limits for one connection and for all
}

// Span is the time from From to Until.
type Span struct{ From, Until int64 }

// covered is how much of the time from a to b the capture covers, with its gaps.
func (c *Capture) covered(a, b int64) time.Duration {
	from, until := max(a, c.First), min(b, c.Last)
	if until <= from {
		return 0
	}
	sum := until - from
	for _, g := range c.Gaps {
		if lost := min(g.Until, until) - max(g.From, from); lost > 0 {
			sum -= lost
		}
	}
	return time.Duration(sum)
}

// uncovered is the share, in percent, of the asked period that the capture does not cover; 0 where no period was asked. An open end is where the capture ends.
func (c *Capture) uncovered(from, until int64) float64 {
	from, until = openEnds(from, until, c.First, c.Last)
	if until <= from {
		return 0
	}
	asked := float64(until) - float64(from)
	return max(0, 100*(asked-float64(c.covered(from, until)))/asked)
}

// cut lists the inputs that were not read to their end.
func (c *Capture) cut() []string {
	var list []string
	for _, in := range c.Inputs {
		if in.State != "clean" && in.State != "" {
			list = append(list, in.Name+" ("+in.State+")")
		}
	}
	return list
}

// undecodedPercent is the share of packets of which nobody knows to whom they belong: cut within their headers, malformed, of unknown links, fragments without their first.
func (c *Capture) undecodedPercent() float64 {
	if c.Undecoded == 0 {
		return 0
	}
	return 100 * float64(c.Undecoded) / float64(max(c.Packets.Read, c.Undecoded))
}

// narrowed says whether a filter was set at the capture that may have left out what is judged.
func (c *Capture) narrowed() bool {
	return slices.ContainsFunc(c.filters(), func(f string) bool { return f != c.SiteFilter })
}

// filters are the capture filters of interfaces that gave packets, and those that the site says were set, each once, in the order of the inputs.
func (c *Capture) filters() []string {
	list := []string{}
	add := func(filter string) {
		if filter != "" && !slices.Contains(list, filter) && len(list) < maxFilters {
			list = append(list, filter)
		}
	}
	for _, in := range c.Inputs {
		for _, i := range in.Interfaces {
			if i.Packets > 0 {
				add(i.Filter)
			}
		}
		for _, r := range in.Records {
			add(r.Filter)
		}
	}
	return list
}

// maxFilters bounds the filters that an audit names.
const maxFilters = 100

// lossPercent is the share of lost packets.
func (c *Capture) lossPercent() float64 {
	if c.Dropped == 0 {
		return 0
	}
	return 100 * float64(c.Dropped) / (float64(c.Packets.Read) + float64(c.Dropped))
}
