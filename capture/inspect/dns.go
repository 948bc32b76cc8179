package inspect

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"golang.org/x/net/dns/dnsmessage"

	"pcapaudit/capture/flow"
)

// DNS (RFC 1035). Names are learned only from the answer to a query of the same conversation, hence of the same two ends, with the same
// number and question, and only from the first answer to it.

const (
	dnsHeader  = 12
	maxQueries = 32       // of one conversation; beyond it the oldest is forgotten, an answered one first
	maxMessage = 12 << 10 // bytes of a message over TCP that are read; the rest is skipped
)

// dnsMessage is a message whose header and question have been read. An Inspector has one, for all messages: it is too large to be
// made and copied for each.
type dnsMessage struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	rest     dnsmessage.Parser // before the answers, until they are read
	answers  dnsRecords
	seeds    [2]maphash.Seed // of keys
}

func newDNSMessage() *dnsMessage {
	m := &dnsMessage{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	m.answers.texts.seed = m.seeds[0]
	return m
}

// parse reads header and question of a message: exactly one question, as in all queries and their answers. On other ports than
// its own all of it must be well-formed.
func (m *dnsMessage) parse(data []byte, ownPort bool) bool {
	if len(data) < dnsHeader || data[3]&0x40 != 0 || binary.BigEndian.Uint16(data[4:]) != 1 {
		return false
	}
	var err error
	if m.header, err = m.rest.Start(data); err != nil {
		return false
	}
	if m.question, err = m.rest.Question(); err != nil || !knownClass(m.question.Class) || m.rest.SkipAllQuestions() != nil {
		return false
	}
	counts := [3]uint16{binary.BigEndian.Uint16(data[6:]), binary.BigEndian.Uint16(data[8:]), binary.BigEndian.Uint16(data[10:])}
	switch m.header.OpCode {
	case 0:
		if !m.header.Response && (counts[0] != 0 || counts[1] > 1 || counts[2] > 4 || data[3]&0x0f != 0) {
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
	all := m.rest
	whole := all.SkipAllAnswers() == nil && all.SkipAllAuthorities() == nil && all.SkipAllAdditionals() == nil
	return whole && knownType(m.question.Type) && !(m.header.Response && counts == [3]uint16{} && m.header.RCode == 0)
}

// knownClass: IN, CH, HS, NONE, ANY.
func knownClass(c dnsmessage.Class) bool { return c == 1 || c == 3 || c == 4 || c == 254 || c == 255 }

// knownType: those that IANA has assigned by 2025.
func knownType(t dnsmessage.Type) bool {
	return t >= 1 && t <= 110 || t >= 249 && t <= 264 || t == 32768 || t == 32769
}

func (m *dnsMessage) isQuery() bool  { return !m.header.Response && m.header.OpCode == 0 }
func (m *dnsMessage) isAnswer() bool { return m.header.Response && m.header.OpCode == 0 }

// queryKey is a keyed digest of who asked what under which number: as good as all of that, and short.
type queryKey [2]uint64

// key is that of a query, or of the query that an answer answers. Case does not count (RFC 4343), also where the resolver mixes it.
func (m *dnsMessage) key(querier int) queryKey {
	var b [6 + 255]byte
	b[0] = byte(querier)
	binary.BigEndian.PutUint16(b[1:], m.header.ID)
	binary.BigEndian.PutUint16(b[3:], uint16(m.question.Type))
	b[5] = byte(m.question.Class)
	n := copy(b[6:], m.question.Name.Data[:m.question.Name.Length])
	name := b[6:][:n]
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			name[i] = c | 0x20
		}
	}
	return queryKey{maphash.Bytes(m.seeds[0], b[:6+n]), maphash.Bytes(m.seeds[1], b[:6+n])}
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
	queries                    []dnsQuery // oldest first
	forgot                     bool       // an unanswered query
	notedUnasked, notedDiffers bool
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
	records, whole := m.records()
	whole = whole && !m.header.Truncated
	if q.answered {
		if !r.notedDiffers && q.asked == 1 && whole && q.whole && q.answer != records.sum {
			r.notedDiffers = true
			c.tell(flow.FactNote, "two different answers to one DNS query")
		}
		return
	}
	q.answered, q.whole, q.answer = true, whole, records.sum
	if m.header.RCode == dnsmessage.RCodeSuccess {
		records.teach(c, from^1, &m.question)
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
		r = new(resolution)
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
	var p dnsmessage.Parser
	h, err := p.Start(data)
	if err != nil || h.OpCode != 0 || bytes.Equal(data[4:dnsHeader], make([]byte, 8)) {
		return false
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return err == nil
	}
	if _, err := p.AnswerHeader(); err != dnsmessage.ErrSectionDone {
		return err == nil
	}
	return true
}
