package classify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of findings.
const (
	maxFindings  = 1 << 16 // different findings; further ones are counted in Audit.FindingsOverflow and still count for the result
	maxAttempts  = 1 << 15 // of them, those that began as an attempt without an answer: a scan leaves room for what matters
	maxEvidence  = 5       // connections that a finding names: the first in the inputs
	maxSilent    = 16      // services that a question names
	maxOpenHosts = 1000    // hosts that an expectation or its finding names
)

// findingKey is what findings are folded by. It is hashable and holds no times.
type findingKey struct {
	verdict    verdict
	original   verdict
	why        why
	flow       *rules.Flow
	orig, resp party
	proto      flow.Proto
	port       int // responder port, ICMP type, -1 if none
	exception  *rules.Exception
}

// folded is the connections of one finding.
type folded struct {
	key         findingKey
	view        view // of the first connection
	first, last int64
	connections uint64
	bytes       uint64
	outcomes    [flow.OneWay + 1]uint64
	failures    failures
	attempts    bool // every one is an attempt
	sure        bool // of some it is known who opened it
	ports       portSpan
	evidence    []seen
	option      *option
	validity    rules.Validity
	name        string // of the responder in the first connection
	origin      flow.NameOrigin
	services    []string // document-silent: what was seen, at most maxSilent
	more        bool     // document-silent: there were further services
}

// portSpan is the lowest and the highest of some ports. The zero value is empty.
type portSpan struct{ low, high uint16 }

func (s *portSpan) add(p uint16) {
	if s.low == 0 && s.high == 0 {
		s.low, s.high = p, p
	}
	s.low, s.high = min(s.low, p), max(s.high, p)
}

func (s portSpan) String() string {
	switch {
	case s.high == 0:
		return ""
	case s.low == s.high:
		return strconv.Itoa(int(s.low))
	}
	return strconv.Itoa(int(s.low)) + "-" + strconv.Itoa(int(s.high))
}

// seen points to a connection.
type seen struct {
	id         flow.ConnID
	at, last   int64
	orig, resp netip.AddrPort
	ports      bool
	told       string // by its payload, where the finding rests on that
}

// keepFirst adds c to a list of at most limit connections that holds the first in the inputs, in order.
func keepFirst(list []seen, limit int, c *flow.Conn, v *view) []seen {
	if n := len(list); n > 0 && n >= limit && c.ID.Compare(list[n-1].id) > 0 {
		return list
	}
	i, kept := slices.BinarySearchFunc(list, c.ID, func(s seen, id flow.ConnID) int { return s.id.Compare(id) })
	if kept || i >= limit {
		return list
	}
	list = slices.Insert(list, i, seen{id: c.ID, at: c.First, last: c.Last, orig: v.from, resp: v.to, ports: c.Proto.HasPorts()})
	return list[:min(limit, len(list))]
}

// findings folds connections. Keys beyond the limits are counted, not kept.
type findings struct {
	byKey    map[findingKey]*folded
	attempts int
	room     int    // for those that began as an attempt
	overflow uint64 // connections
}

func newFindings(attempts int) findings {
	if attempts <= 0 || attempts > maxAttempts {
		attempts = maxAttempts
	}
	return findings{byKey: map[findingKey]*folded{}, room: attempts}
}

func (fs *findings) add(a *Auditor, c *flow.Conn, j *judged) {
	if j.verdict == documented {
		return
	}
	f := j.memo.folded
	if f == nil {
		key := a.findingKeyOf(c, j)
		if f = fs.byKey[key]; f == nil {
			f = fs.insert(key, c, j)
		}
		if f == nil {
			fs.overflow++
			return
		}
		j.memo.folded = f
	}
	f.add(a, c, j)
}

// findingKeyOf is what the finding of a connection is folded by.
func (a *Auditor) findingKeyOf(c *flow.Conn, j *judged) findingKey {
	key := findingKey{verdict: j.verdict, original: j.original, why: j.why, flow: j.flow, proto: c.Proto, port: -1, exception: j.exception}
	if j.why == whyDocumentSilent {
		key.proto = 0 // one question a flow
		return key
	}
	key.orig, key.resp = a.partyOf(j.view.orig, j.view.from.Addr()), a.partyOf(j.view.resp, j.view.to.Addr())
	key.port = servicePort(c, &j.view)
	return key
}

// tell adds to the evidence what the payload of a connection told.
func (f *folded) tell(id flow.ConnID, what string) {
	for i := range f.evidence {
		if f.evidence[i].id == id {
			f.evidence[i].told = what
		}
	}
}

func (fs *findings) insert(key findingKey, c *flow.Conn, j *judged) *folded {
	isAttempt := attempt(c.Outcome) && !decides(j.verdict, true)
	if len(fs.byKey) >= maxFindings || isAttempt && fs.attempts >= fs.room {
		return nil
	}
	if isAttempt {
		fs.attempts++
	}
	f := &folded{key: key, first: c.First, last: c.Last, attempts: true}
	fs.byKey[key] = f
	return f
}

func (f *folded) add(a *Auditor, c *flow.Conn, j *judged) {
	if len(f.evidence) == 0 || c.ID.Compare(f.evidence[0].id) < 0 {
		f.view, f.option, f.validity = j.view, j.option, j.validity
		f.name, f.origin = a.names.display(a, c, &j.view)
	}
	f.first, f.last = min(f.first, c.First), max(f.last, c.Last)
	f.connections++
	f.bytes += c.OrigBytes + c.RespBytes
	f.outcomes[c.Outcome]++
	f.failures.add(c)
	f.attempts = f.attempts && attempt(c.Outcome)
	f.sure = f.sure || j.view.sure
	if c.Proto.HasPorts() {
		f.ports.add(j.view.from.Port())
	}
	f.evidence = keepFirst(f.evidence, maxEvidence, c, &j.view)
	if j.why&whyEncryption != 0 {
		f.tell(c.ID, j.option.told(&a.payload, c.ID.File))
	}
	if j.why == whyDocumentSilent {
		f.addService(serviceName(c.Proto, servicePort(c, &j.view)))
	}
}

// addService keeps the first services in the order of their names, so that the order of connections does not show.
func (f *folded) addService(name string) {
	i, found := slices.BinarySearch(f.services, name)
	if found {
		return
	}
	f.services = slices.Insert(f.services, i, name)
	if len(f.services) > maxSilent {
		f.services, f.more = f.services[:maxSilent], true
	}
}

// servicePort is the responder port as the capture shows it, the ICMP type, or -1.
func servicePort(c *flow.Conn, v *view) int {
	switch {
	case c.Proto.IsICMP():
		return int(c.ICMPType)
	case c.Proto.HasPorts():
		return int(v.to.Port())
	}
	return -1
}

// serviceName gives "tcp/9877", "icmp type 8", "esp".
func serviceName(p flow.Proto, port int) string {
	switch {
	case port < 0:
		return p.String()
	case p.IsICMP():
		return p.String() + " type " + strconv.Itoa(port)
	}
	return p.String() + "/" + strconv.Itoa(port)
}

func portName(p flow.Proto, port int) string {
	switch {
	case port < 0:
		return ""
	case p.IsICMP():
		return "type " + strconv.Itoa(port)
	}
	return strconv.Itoa(port)
}

// findingID hashes what makes a finding the same finding in the next audit.
func findingID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// sortFindings orders by severity, deciding ones first, then most connections, then by what they are about. It sorts their places first: a finding is moved
// once, 700 bytes of it.
func sortFindings(list []Finding) {
	order := make([]int32, len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return compareFindings(&list[i], &list[j]) })
	for i := range order {
		first := list[i]
		at := int32(i)
		for order[at] != int32(i) {
			from := order[at]
			list[at], order[at] = list[from], at
			at = from
		}
		list[at], order[at] = first, at
	}
}

func compareFindings(a, b *Finding) int {
	if a.Decides != b.Decides && a.Severity == b.Severity {
		if a.Decides {
			return -1
		}
		return 1
	}
	if c := cmp.Or(cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Kind, b.Kind)); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Orig.name(), b.Orig.name()), cmp.Compare(a.Resp.name(), b.Resp.name()), cmp.Compare(a.ID, b.ID))
}
