package classify

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what an explanation lists; what goes beyond is counted.
const (
	maxExplained = 8 // flows of one sort: those that cover the service, those that join the ends, those that have the service elsewhere
	maxNear      = 3 // flows that came near, of one sort, where one decided
	maxChanges   = 3 // changes of the site, beside the exception
)

// Explanation says how the verdict of one connection came about, in the words of the report.
type Explanation struct {
	Connection string `json:"connection"` // "tcp 192.0.2.7:49822 > 192.0.2.9:9876"
	Time       string `json:"time"`
	KnownBy    string `json:"originator_known_by"`
	Judgement
	Summary string `json:"summary"` // of the finding that it is; "" where it is none
	Reason  string `json:"reason"`
	Nearest string `json:"nearest"`
	Look    string `json:"look"`

	Orig        ExplainedEnd    `json:"orig"`
	Resp        ExplainedEnd    `json:"resp"`
	Decided     string          `json:"decided"` // the step of the procedure that decided, and why
	Tie         string          `json:"tie"`     // why this flow and not the next one; "" where there was one only
	Flows       []ExplainedFlow `json:"flows"`   // that decided first, then other candidates, then those that came near
	MoreFlows   int             `json:"more_flows"`
	Changes     []Change        `json:"changes"`     // of the site, the smallest first; each by itself is enough
	Contradicts []string        `json:"contradicts"` // places of the documents that say otherwise
}

// ExplainedEnd is who an end is, and by what.
type ExplainedEnd struct {
	IP     string          `json:"ip"`
	Port   uint16          `json:"port,omitempty"`
	Host   string          `json:"host"`  // of the site, "" where it is none
	Known  string          `json:"known"` // why it is who it is
	At     string          `json:"at"`    // "site.yaml:12:5", "" where no line says so
	Roles  []ExplainedRole `json:"roles"`
	Inside bool            `json:"inside"` // the site's networks
}

// ExplainedRole is a role that an end holds, and by what.
type ExplainedRole struct {
	Role string `json:"role"`
	By   string `json:"by"`
	At   string `json:"at"`
}

// Stands of a flow in an explanation.
const (
	standDecided = "decided"
	standShared  = "shared" // covers the connection as well
	standFailed  = "failed"
)

// ExplainedFlow is a documented flow held against a connection.
type ExplainedFlow struct {
	Flow       string            `json:"flow"`
	Title      string            `json:"title"`
	Service    string            `json:"service"`
	From       []string          `json:"from"`
	To         []string          `json:"to"`
	Stand      string            `json:"stand"`  // decided, shared, failed
	Failed     []FailedCondition `json:"failed"` // what the connection breaks of it
	Unverified []string          `json:"unverified"`
	Note       string            `json:"note"`
	Cite       []string          `json:"cite"`
}

// FailedCondition is one statement of a flow that a connection does not meet.
type FailedCondition struct {
	Condition string `json:"condition"` // roles, scope, protocol, port, originator, source-port, encryption, condition, hours, unannounced
	Reason    string `json:"reason"`
}

// count is how many reasons there are.
func (w why) count() int { return bits.OnesCount32(uint32(w)) }

// trail is a connection that was judged, with what judging left.
type trail struct {
	a       *Auditor
	c       *flow.Conn
	j       judged
	v       *view // as emitted
	flipped *view // v where the originator is certain
	one     *folded
	listed  map[*rules.Flow]bool
}

// Explain judges a connection as Observe would now and says how the verdict came about. Nothing is recorded. It keeps nothing of c.
func (a *Auditor) Explain(c *flow.Conn) Explanation {
	a.checks = a.checks[:0]
	t := trail{a: a, c: c, j: a.judge(c), v: &a.views[0], listed: map[*rules.Flow]bool{}}
	if t.flipped = t.v; !t.v.sure && !c.Proto.IsICMP() {
		t.flipped = &a.views[1]
	}
	t.j.shared = slices.Clone(t.j.shared)
	t.one = a.foldedOf(c, &t.j)
	e := Explanation{Connection: connectionWords(c), Time: flow.Stamp(c.First), KnownBy: c.KnownBy.String(), Judgement: t.j.export(), Flows: []ExplainedFlow{}, Changes: []Change{}, Contradicts: []string{}}
	e.Names = a.names.of(a, c, &t.j.view)
	e.Orig, e.Resp = t.end(t.j.view.orig, t.j.view.origEnd(), byNothing), t.end(t.j.view.resp, t.j.view.respEnd(), t.j.view.named)
	if c.Proto.HasPorts() {
		e.Orig.Port, e.Resp.Port = t.j.view.from.Port(), t.j.view.to.Port()
	}
	e.Decided = t.decided()
	if t.j.verdict == outOfScope && t.j.why&(whyPlatformService|whyICMPError) == 0 {
		return e
	}
	if t.j.verdict != documented && t.j.verdict != outOfScope {
		f := a.finding(t.one, nil)
		e.Summary, e.Reason, e.Nearest, e.Look = f.Summary, f.Reason, f.Nearest, f.Look
		e.Changes, e.Contradicts = t.changes(&f)
	}
	e.Tie = t.tie()
	e.Flows, e.MoreFlows = t.flows()
	return e
}

// foldedOf is the finding of one connection.
func (a *Auditor) foldedOf(c *flow.Conn, j *judged) *folded {
	one := &folded{key: a.findingKeyOf(c, j), first: c.First, last: c.Last, attempts: true}
	one.add(a, c, j)
	return one
}

// connectionWords is a connection as Described has it in words.
func connectionWords(c *flow.Conn) string {
	switch {
	case c.Proto.HasPorts():
		return fmt.Sprintf("%s %s > %s", c.Proto, c.Orig, c.Resp)
	case c.Proto.IsICMP():
		return fmt.Sprintf("%s %s > %s %d/%d", c.Proto, c.Orig.Addr(), c.Resp.Addr(), c.ICMPType, c.ICMPCode)
	}
	return fmt.Sprintf("%s %s > %s", c.Proto, c.Orig.Addr(), c.Resp.Addr())
}

// scopeWords say why a connection is not judged.
var scopeWords = map[why]string{
	whyOutside:         "neither end is a host of the site or inside its networks",
	whyLinkControl:     "it is what hosts and routers say about the link itself",
	whyBackground:      "the site says under background: that it is out of scope",
	whyOutsidePeriod:   "it lies outside the period that is judged",
	whyPlatformService: "a document lists the service as traffic of the platform, in a table without roles, and no flow between roles documents it",
	whyICMPError:       "it is an ICMP error about connections that are judged themselves",
	whyCarrier:         "the site says that this tunnel carries what is judged by itself",
	whyTranslatedLeg:   "it lies behind an address translation, of which the other side is judged",
}

// decided says which step of the procedure gave the verdict.
func (t *trail) decided() string {
	j := &t.j
	text := ""
	switch original := j.original; {
	case j.verdict == outOfScope:
		text = "out of scope: " + scopeWords[j.why] + t.backgroundWords()
	case original == documented:
		text = "documented: " + t.met() + ", and nothing known of the connection breaks its other conditions"
	case j.why&whyDocumentSilent != 0:
		text = "indeterminate: " + j.flow.Ref() + " joins these roles, and its document states no port"
	case j.why&whyOriginator != 0:
		text = fmt.Sprintf("%s: the roles fit %s in the other direction only", original, j.flow.Ref())
	case j.option != nil:
		text = fmt.Sprintf("%s: %s, and it breaks %s", original, t.met(), strings.Join(j.why.names(), ", "))
	case j.why&whyUnknownHost != 0:
		text = "unexpected: no flow covers it, and an end is no host of the site"
	case j.why&whyWrongRoles != 0:
		text = "unexpected: flows have this service, and none between these roles"
	default:
		text = "unexpected: no flow of the chosen packs has this service"
	}
	if j.verdict == excepted {
		text += "; exception " + j.exception.ID + t.at(j.exception.Pos) + " turns that into excepted"
	}
	return text
}

// met says what of the flow that decided made it a candidate.
func (t *trail) met() string {
	if t.a.set.Site == nil {
		return "protocol and port of " + t.j.flow.Ref() + " are met (who plays which role nobody knows without a site file)"
	}
	return "roles, protocol and port of " + t.j.flow.Ref() + " are met"
}

// backgroundWords names the entry of the site that takes the connection out of scope.
func (t *trail) backgroundWords() string {
	if t.j.why&(whyBackground|whyCarrier) == 0 {
		return ""
	}
	for _, v := range [...]*view{t.v, t.flipped} {
		if b := t.a.set.Background(v.origEnd(), v.respEnd(), t.c.Proto, v.port); b != nil {
			return t.at(t.a.set.Site.Stated(b)) + ": " + b.Reason
		}
	}
	return ""
}

// at gives " (site.yaml:12:5)".
func (t *trail) at(p rules.Pos) string {
	if p == (rules.Pos{}) {
		return ""
	}
	return " (" + p.String() + ")"
}

// tie says what put the flow that decided before the next of those that fit as well.
func (t *trail) tie() string {
	var best, second *checked
	worse := func(a, b *checked) int {
		if t.j.original != documented {
			return cmp.Or(a.broken.count()-b.broken.count(), compareChecks(a, b))
		}
		return compareChecks(a, b)
	}
	for i := range t.a.checks {
		k := &t.a.checks[i]
		switch {
		case k.option == t.j.option && *k.view == t.j.view:
			best = k
		case t.j.original == documented && k.broken != 0 || t.j.flow == k.Flow:
		case second == nil || worse(k, second) < 0:
			second = k
		}
	}
	if best == nil || second == nil {
		return ""
	}
	return fmt.Sprintf("%s before %s: %s", best.Flow.Ref(), second.Flow.Ref(), t.tieWords(best, second))
}

// tieWords is the first criterion in which two flows differ, in the order of compareChecks.
func (t *trail) tieWords(a, b *checked) string {
	switch {
	case a.broken.count() != b.broken.count():
		return "it breaks fewer of its conditions"
	case a.Port != b.Port:
		return fmt.Sprintf("its port matches as %s, the other's as %s", a.Port, b.Port)
	case a.reservedEnds() != b.reservedEnds():
		return "a named role goes before any and internet"
	case a.From.By+a.To.By != b.From.By+b.To.By:
		return "an address binds a role closer than a network"
	case a.view == b.view && cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Flow.ID, b.Flow.ID)) > 0:
		return "its roles are bound by the narrower network"
	case a.rank != b.rank:
		return "order of --rules"
	}
	return "order of flow ids"
}
