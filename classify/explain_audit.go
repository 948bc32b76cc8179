package classify

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"pcapaudit/capture/flow"
)

// Reenacted is the first connection of a finding as its audit tells of it, which is less than its packets told.
type Reenacted struct {
	Explanation
	Same bool // the verdict is the finding's
}

// Reenact explains the first connection of a finding by the packs and the site of the Auditor, which should be those of the finding's audit. What the audit
// does not tell, who opened the connection for certain and what the payload said, is taken as the finding's verdict needs it where that is possible.
// The Auditor learns what the finding says of names and announcements: use it for one finding. ok is false where the finding has no connection.
func (a *Auditor) Reenact(f *Finding) (r Reenacted, ok bool) {
	c, ok := firstConn(f)
	if !ok {
		return r, false
	}
	a.remind(f, c)
	for _, by := range [...]flow.KnownBy{flow.KnownByHandshake, flow.KnownByPort} {
		c.KnownBy = by
		e := a.Explain(c)
		same := e.Verdict == f.Verdict && slices.Equal(e.Why, f.Why) && e.Flow == f.Flow
		if r.Connection == "" || same && !r.Same {
			r = Reenacted{e, same}
		}
	}
	return r, true
}

// firstConn makes a connection of what a finding says of its first one.
func firstConn(f *Finding) (*flow.Conn, bool) {
	if len(f.Evidence) == 0 || f.Evidence[0].Orig == "" {
		return nil, false
	}
	e := &f.Evidence[0]
	c := &flow.Conn{ID: flow.ConnID{Packet: e.Packet}, First: nanoseconds(e.Time), OrigPackets: 1, RespPackets: 1}
	c.Last = max(c.First, nanoseconds(e.Last))
	var ok bool
	if c.Proto, ok = evidenceProto(f, e); !ok {
		return nil, false
	}
	var err1, err2 error
	c.Orig, err1 = endOf(e.Orig)
	c.Resp, err2 = endOf(e.Resp)
	if err1 != nil || err2 != nil {
		return nil, false
	}
	if kind, found := strings.CutPrefix(f.Port, "type "); found {
		n, _ := strconv.ParseUint(kind, 10, 8)
		c.ICMPType = uint8(n)
	}
	for o := flow.Seen; o <= flow.OneWay; o++ {
		if len(f.Outcomes) > 0 && f.Outcomes[0].Outcome == o.String() {
			c.Outcome = o
		}
	}
	c.Facts = toldFacts(f, e)
	return c, true
}

// evidenceProto is the protocol of a finding, of a question the first with the port of its evidence.
func evidenceProto(f *Finding, e *Evidence) (flow.Proto, bool) {
	if f.Proto != "" {
		return protoOf(f.Proto)
	}
	resp, err := netip.ParseAddrPort(e.Resp)
	if err != nil {
		return 0, false
	}
	for _, service := range strings.Fields(f.Service) {
		if word, port, _ := strings.Cut(service, "/"); port == strconv.Itoa(int(resp.Port())) {
			return protoOf(word)
		}
	}
	return 0, false
}

// nanoseconds since 1970 of a time in an audit, 0 where it is none.
func nanoseconds(stamp string) int64 {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return 0
	}
	return t.UnixNano()
}

// toldFacts are the payload's facts behind Evidence.Told, and the name that the originator claimed.
func toldFacts(f *Finding, e *Evidence) []flow.Fact {
	var facts []flow.Fact
	if what, packet, found := strings.Cut(e.Told, ", packet "); found && slices.Contains(f.Why, whyEncryption.names()[0]) {
		number, _, _ := strings.Cut(packet, " ")
		fact := flow.Fact{Kind: flow.FactCleartext, Value: what}
		fact.Packet, _ = strconv.ParseUint(number, 10, 64)
		if value, _, encrypted := strings.Cut(what, " where "); encrypted {
			fact.Kind, fact.Value = flow.FactEncrypted, value
		}
		facts = append(facts, fact)
	}
	for _, origin := range [...]flow.NameOrigin{flow.NameSNI, flow.NameHTTP} {
		if f.Resp.NameOrigin == origin.String() {
			facts = append(facts, flow.Fact{Kind: flow.FactName, Origin: origin, Packet: e.Packet, Value: f.Resp.Name})
		}
	}
	return facts
}

// remind lets the Auditor learn what a finding says of names and of control conversations.
func (a *Auditor) remind(f *Finding, c *flow.Conn) {
	if f.Resp.NameOrigin == flow.NameDNS.String() {
		a.LearnName(&flow.Name{At: c.First, Origin: flow.NameDNS, Asker: c.Orig.Addr(), Name: f.Resp.Name, Addr: c.Resp.Addr()})
	}
	documented := a.set.Flow(f.Flow)
	if documented == nil || documented.AnnouncedBy == "" || f.Verdict == indeterminate.String() || !slices.Contains(f.Why, whyUnannounced.names()[0]) {
		return
	}
	a.LearnAnnouncement(&flow.Announcement{Event: flow.ControlSeen, By: announcers[documented.AnnouncedBy], At: c.First, Orig: c.Orig, Resp: c.Resp})
}

// ExplainedStatus is what the hosts of an expectation that stand alike have in common.
type ExplainedStatus struct {
	Status string       `json:"status"`
	Cause  string       `json:"cause"` // of not-testable
	Rule   string       `json:"rule"`  // of the procedure of the status, the first that holds
	Needed string       `json:"needed"`
	Count  int          `json:"count"`
	Hosts  []HostStatus `json:"hosts"` // those that the audit names
}

// ExplainedExpectation says why an expectation has the statuses that it has.
type ExplainedExpectation struct {
	Expectation
	ByStatus []ExplainedStatus `json:"by_status"`
}

// statusRule is one row of the procedure of the status, and what would give another one.
type statusRule struct{ rule, needed string }

// statusRules by status, for not-testable with its cause. They word the procedure of statusOf.
var statusRules = map[string]statusRule{
	"not-testable site":    {"1 of 7: packs and site do not let it be tested, whatever is captured", "what the reason names, in the site file: the hosts of the roles, the port (ports:, with source and approver), or a capture before the translation"},
	"not-triggered":        {"2 of 7: its condition is off", "state the condition in the site file if that is not so"},
	"observed":             {"3 of 7: a connection that counts was seen", "nothing"},
	"not-testable silent":  {"4 of 7: the originating host was never seen", "check that the host is up, that its addresses in the site file are right, and that the capture point sees it"},
	"not-testable vantage": {"4 of 7: the capture point does not see the pair", "capture where both directions pass, or state under vantage: what the capture points see"},
	"not-testable blind":   {"4 of 7: the capture point should see the pair, and the period, loss, a filter or a tunnel hides it", "a capture without what the reason names"},
	"attempted":            {"5 of 7: it was tried, and no connection came about", "find out why the responder or something on the way does not let it through"},
	"missing":              {"6 of 7: it is required, it is due in this period, and the capture would show it", "find out why the host does not use it; where it need not, say so under expect:"},
	"not-observed":         {"7 of 7: it was not seen, and nothing says that it must be in this period", "nothing; where it is due in every period, say so under expect:"},
}

// ExplainExpectation says of the hosts of a flow which rule of the procedure of the status decided. ref is "pack/flow", or the flow alone where only one pack has it.
func (a *Audit) ExplainExpectation(ref string) (*ExplainedExpectation, error) {
	var found *Expectation
	for i := range a.Expectations {
		x := &a.Expectations[i]
		switch _, id := cutQualifier(x.Flow); {
		case x.Flow == ref:
			return explainStatuses(x), nil
		case id != ref:
		case found != nil:
			return nil, fmt.Errorf("the flow %.60q is not the only one: %s and %s", ref, found.Flow, x.Flow)
		default:
			found = x
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the audit expects no flow %.60q", ref)
	}
	return explainStatuses(found), nil
}

func explainStatuses(x *Expectation) *ExplainedExpectation {
	out := &ExplainedExpectation{Expectation: *x, ByStatus: []ExplainedStatus{}}
	for _, s := range x.Statuses {
		if s.Status == observed.String() {
			rule := statusRules[s.Status]
			out.ByStatus = append(out.ByStatus, ExplainedStatus{Status: s.Status, Rule: rule.rule, Needed: rule.needed, Count: s.Hosts, Hosts: observedHosts(x)})
		}
	}
	for _, h := range x.Open {
		key := strings.TrimSpace(h.Status + " " + h.Cause)
		i := slices.IndexFunc(out.ByStatus, func(s ExplainedStatus) bool { return s.Status == h.Status && s.Cause == h.Cause })
		if i < 0 {
			rule := statusRules[key]
			i = len(out.ByStatus)
			out.ByStatus = append(out.ByStatus, ExplainedStatus{Status: h.Status, Cause: h.Cause, Rule: rule.rule, Needed: rule.needed, Hosts: []HostStatus{}})
		}
		out.ByStatus[i].Count++
		out.ByStatus[i].Hosts = append(out.ByStatus[i].Hosts, h)
	}
	return out
}

func observedHosts(x *Expectation) []HostStatus {
	list := []HostStatus{}
	for _, name := range x.Observed {
		list = append(list, HostStatus{Host: name, Status: observed.String()})
	}
	return list
}
