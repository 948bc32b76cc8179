package inspect

import (
	"encoding/binary"
	"hash/maphash"

	"pcapaudit/capture/flow"
)

// DNS (RFC 1035). Names are learned only from the answer to a query of the same conversation, hence of the same two ends, with the same
// number and question, and only from the first answer to it.

const (
	dnsHeader  = 12
	maxQueries = 32       // of one conversation; beyond it the oldest is forgotten, an answered one first
	maxMessage = 12 << 10 // bytes of a message over TCP that are read; the rest is skipped
)

// dnsMessage is a message whose header and question have been read. An Inspector has one, for all messages.
type dnsMessage struct {
	rest    dnsReader // before the answers, until they are read
	id      uint16
	flags   uint16
	answers int // in the header
	asked   dnsName
	kind    dnsKind // asked for
	direct  bool    // the name asked for holds no pointer
	records dnsRecords
	seeds   [2]maphash.Seed // of keys
	digest  []byte          // that is being put together
	spare   []*resolution   // to be used again
}

// Flags of a message (RFC 1035, section 4.1.1).
const (
	dnsResponse  = 1 << 15
	dnsTruncated = 1 << 9
)

func (m *dnsMessage) response() bool  { return m.flags&dnsResponse != 0 }
func (m *dnsMessage) operation() int  { return int(m.flags >> 11 & 15) }
func (m *dnsMessage) code() int       { return int(m.flags & 15) }
func (m *dnsMessage) truncated() bool { return m.flags&dnsTruncated != 0 }

func newDNSMessage() *dnsMessage {
	m := &dnsMessage{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	m.records.texts.seed = m.seeds[0]
	return m
}

// parse reads header and question of a message: exactly one question, as in all queries and their answers. On other ports than
// its own all of it must be well-formed.
func (m *dnsMessage) parse(data []byte, ownPort bool) bool {
	if len(data) < dnsHeader || data[3]&0x40 != 0 || binary.BigEndian.Uint16(data[4:]) != 1 {
		return false
	}
	m.id, m.flags, m.rest = binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]), dnsReader{data, dnsHeader}
	if !m.rest.name(&m.asked) {
		return false
	}
	m.direct = m.asked.n > 1 && m.rest.at == dnsHeader+m.asked.n+1
	var ok bool
	if m.kind, ok = m.rest.kind(); !ok || !knownClass(m.kind.class) {
		return false
	}
	answers, authorities, additionals := int(binary.BigEndian.Uint16(data[6:])), int(binary.BigEndian.Uint16(data[8:])), int(binary.BigEndian.Uint16(data[10:]))
	m.answers = answers
	switch m.operation() {
	case 0:
		if !m.response() && (answers != 0 || authorities > 1 || additionals > 4 || m.code() != 0) {
			return false
		}
	case 4, 5: // NOTIFY (RFC 1996), UPDATE (RFC 2136)
		if !ownPort {
			return false
		}
	default:
		return false
	}
	if ownPort {
		return true
	}
	all, records := m.rest, answers+authorities+additionals
	return all.skipRecords(records) && knownType(m.kind.number) && !(m.response() && records == 0 && m.code() == 0)
}

// knownClass: IN, CH, HS, NONE, ANY.
func knownClass(c uint16) bool { return c == 1 || c == 3 || c == 4 || c == 254 || c == 255 }

// knownType: those that IANA has assigned by 2025.
func knownType(t uint16) bool {
	return t >= 1 && t <= 110 || t >= 249 && t <= 264 || t == 32768 || t == 32769
}

func (m *dnsMessage) isQuery() bool  { return !m.response() && m.operation() == 0 }
func (m *dnsMessage) isAnswer() bool { return m.response() && m.operation() == 0 }

// queryKey is a keyed digest of who asked what under which number: as good as all of that, and short.
type queryKey [2]uint64

// key is that of a query, or of the query that an answer answers. Case does not count (RFC 4343), also where the resolver mixes it.
func (m *dnsMessage) key(querier int) queryKey {
	b := append(m.digest[:0], byte(querier), byte(m.id>>8), byte(m.id), byte(m.kind.number>>8), byte(m.kind.number), byte(m.kind.class))
	m.digest = append(b, m.asked.bytes()...)
	return queryKey{maphash.Bytes(m.seeds[0], m.digest), maphash.Bytes(m.seeds[1], m.digest)}
}

// dnsQuery is one query of a conversation.
type dnsQuery struct {
	key      queryKey
	asked    uint8  // times before the answer
	answered bool   // once: only the first answer teaches
	whole    bool   // the answer was read to its end
	answer   uint64 // what it said; see dnsRecords.sum
}

// resolution is what is remembered of a DNS conversation.
type resolution struct {
	queries                    []dnsQuery  // oldest first
	first                      [1]dnsQuery // their memory, as long as there is one: most conversations end with it
	forgot                     bool        // an unanswered query
	notedUnasked, notedDiffers bool
}

// resolution gives an empty one.
func (m *dnsMessage) resolution() *resolution {
	n := len(m.spare)
	if n == 0 {
		return new(resolution)
	}
	r := m.spare[n-1]
	m.spare = m.spare[:n-1]
	*r = resolution{}
	return r
}

func (m *dnsMessage) recycle(r *resolution) {
	if len(m.spare) < maxSpare {
		m.spare = append(m.spare, r)
	}
}

// message takes one message of a side.
func (r *resolution) message(c *conversation, from int, m *dnsMessage) {
	switch {
	case m.isQuery():
		c.clear("DNS query in clear")
		r.ask(m.key(from))
	case m.isAnswer():
		c.clear("DNS answer in clear")
		r.answer(c, from, m)
	default:
		c.clear("DNS message in clear")
	}
}

func (r *resolution) ask(k queryKey) {
	if q := r.find(k); q != nil {
		if q.answered {
			*q = dnsQuery{key: k}
		}
		q.asked += 1 - q.asked>>7
		return
	}
	if len(r.queries) >= maxQueries {
		r.forget()
	}
	if r.queries == nil {
		r.queries = r.first[:0]
	}
	r.queries = append(r.queries, dnsQuery{key: k, asked: 1})
}

func (r *resolution) find(k queryKey) *dnsQuery {
	for i := range r.queries {
		if r.queries[i].key == k {
			return &r.queries[i]
		}
	}
	return nil
}

func (r *resolution) forget() {
	oldest := 0
	for i := range r.queries {
		if r.queries[i].answered {
			oldest = i
			break
		}
	}
	r.forgot = r.forgot || !r.queries[oldest].answered
	r.queries = append(r.queries[:oldest], r.queries[oldest+1:]...)
}

// answer learns from the first answer to a query. A second one that says something else is worth a note, because one of the two may be
// forged; not if the query was sent more than once, for a server may well answer each time with other addresses.
func (r *resolution) answer(c *conversation, from int, m *dnsMessage) {
	q := r.find(m.key(from ^ 1))
	if q == nil {
		if !r.notedUnasked && !r.forgot {
			r.notedUnasked = true
			c.tell(flow.FactNote, "DNS answer without a query")
		}
		return
	}
	whole := m.readAnswers() && !m.truncated()
	if q.answered {
		if !r.notedDiffers && q.asked == 1 && whole && q.whole && q.answer != m.records.sum {
			r.notedDiffers = true
			c.tell(flow.FactNote, "two different answers to one DNS query")
		}
		return
	}
	q.answered, q.whole, q.answer = true, whole, m.records.sum
	if m.code() == 0 {
		m.records.teach(c, from^1, m.kind)
	}
}

func readDNS(c *conversation, from int, data []byte) answer {
	if c.onPort(137) {
		return no // NetBIOS names have the format of DNS
	}
	m := c.in.dns
	if !m.parse(data, c.onPort(53)) {
		return no
	}
	c.protocol("dns")
	r, ok := c.state.(*resolution)
	if !ok {
		r = m.resolution()
		c.state = r
	}
	r.message(c, from, m)
	return follow
}

// dnsFirst: a message over TCP begins with its length (RFC 1035, section 4.2.2).
func dnsFirst(c *conversation, _ int, data []byte) answer {
	if len(data) < 2+dnsHeader {
		if len(data) >= 2 && binary.BigEndian.Uint16(data) < dnsHeader+5 {
			return no
		}
		return more
	}
	n := int(binary.BigEndian.Uint16(data))
	message := data[2:min(len(data), 2+n)]
	if n < dnsHeader+5 || message[3]&0x40 != 0 || message[2]&0x70 != 0 && !c.onPort(53) || binary.BigEndian.Uint16(message[4:]) != 1 {
		return no
	}
	if len(message) == n {
		if !c.in.dns.parse(message, c.onPort(53)) {
			return no
		}
		return yes
	}
	if c.in.dns.parse(message, true) && len(message) >= maxFirst-2 {
		return yes // a long answer: its question is all that can be checked
	}
	if len(data) >= maxFirst {
		return no
	}
	return more
}

// dnsStream is DNS over TCP.
type dnsStream struct{ resolution }

func openDNS() dialogue { return new(dnsStream) }

func (s *dnsStream) read(c *conversation, from int, data []byte) (int, step) {
	if len(data) < 2 {
		return 0, goOn
	}
	n := int(binary.BigEndian.Uint16(data))
	want := min(n, maxMessage)
	if len(data) < 2+want {
		return 0, goOn
	}
	if m := c.in.dns; m.parse(data[2:2+want], true) {
		s.message(c, from, m)
	}
	return 2 + n, goOn
}

// readMDNS: multicast DNS (RFC 6762) is recognised by its port. Its answers come unasked, so no name is believed.
func readMDNS(c *conversation, _ int, data []byte) answer {
	if !c.onPort(5353) || c.onPort(53) || !isNameService(data) {
		return no
	}
	c.protocol("mdns")
	c.clear("mDNS message in clear")
	return yes
}

// readLLMNR: RFC 4795. Anybody on the link may answer, so no name is believed.
func readLLMNR(c *conversation, _ int, data []byte) answer {
	if !c.onPort(5355) || c.onPort(53) || !isNameService(data) {
		return no
	}
	c.protocol("llmnr")
	c.clear("LLMNR message in clear")
	return yes
}

// isNameService says whether a datagram is a standard query or its answer in the format of DNS, with any number of questions.
func isNameService(data []byte) bool {
	if len(data) < dnsHeader || data[2]>>3&15 != 0 || binary.BigEndian.Uint64(data[4:]) == 0 {
		return false
	}
	questions, answers := binary.BigEndian.Uint16(data[4:]), binary.BigEndian.Uint16(data[6:])
	if questions == 0 && answers == 0 {
		return true
	}
	r, name := dnsReader{data, dnsHeader}, new(dnsName)
	if !r.name(name) {
		return false
	}
	if questions != 0 {
		_, ok := r.kind()
		return ok
	}
	_, _, _, ok := r.header()
	return ok
}
