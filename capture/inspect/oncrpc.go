package inspect

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// ONC RPC version 2 (RFC 5531).

const (
	progPortmap = 100000
	progNFS     = 100003

	rpcNone   = 0 // flavours of credentials
	rpcGSS    = 6 // RFC 2203
	rpcTLS    = 7 // RFC 9289
	rpcMaxGSS = 400

	gssPrivacy = 3 // rpc_gss_svc_privacy

	lastFragment = 1 << 31  // of a record mark (section 11)
	maxRPCHead   = 8 << 10  // bytes of a record that are read; the rest is skipped
	maxRPCRecord = 64 << 20 // a longer one is none
	maxRPCCalls  = 32       // of one conversation that wait for their reply; beyond it the oldest is forgotten
)

var rpcPrograms = map[uint32]string{progPortmap: "portmap", 100001: "rstat", 100002: "rusers", progNFS: "nfs", 100004: "ypserv", 100005: "mountd",
	100007: "ypbind", 100009: "yppasswd", 100011: "rquota", 100021: "nlm", 100024: "status", 100227: "nfs_acl"}

// sunCall is the head of a call.
type sunCall struct {
	xid, program, version, procedure uint32
	flavour                          uint32
	service                          uint32 // of RPCSEC_GSS data; 0 for its own exchanges
	args                             cryptobyte.String
}

// parseCall reads a call as far as its arguments. Only what looks like one in every field is one.
func parseCall(b []byte) (call sunCall, is answer) {
	s := cryptobyte.String(b)
	var kind, version uint32
	if !s.ReadUint32(&call.xid) || !s.ReadUint32(&kind) {
		return call, more
	}
	if kind != 0 {
		return call, no
	}
	if !s.ReadUint32(&version) || !s.ReadUint32(&call.program) || !s.ReadUint32(&call.version) || !s.ReadUint32(&call.procedure) {
		return call, more
	}
	if version != 2 || !plausible(call.program) || call.version > 64 || call.procedure > 256 {
		return call, no
	}
	credentials, is := opaqueAuth(&s, &call.flavour)
	if is != yes {
		return call, is
	}
	if call.flavour == rpcGSS && !readGSS(credentials, &call.service) {
		return call, no
	}
	var verifier uint32
	if _, is = opaqueAuth(&s, &verifier); is == yes {
		call.args = s
	}
	return call, is
}

// plausible: the program numbers that are assigned, those for users, and those given out by a portmapper (section 13).
func plausible(program uint32) bool {
	return program >= 100000 && program < 0x60000000
}

// opaqueAuth reads credentials or a verifier: a flavour and at most 400 bytes (section 8.2).
func opaqueAuth(s *cryptobyte.String, flavour *uint32) ([]byte, answer) {
	var n uint32
	if !s.ReadUint32(flavour) || !s.ReadUint32(&n) {
		return nil, more
	}
	if *flavour > rpcTLS && *flavour != 390003 && *flavour != 390004 && *flavour != 390005 || n > rpcMaxGSS || *flavour == rpcNone && n > 8 {
		return nil, no
	}
	var body []byte
	if !s.ReadBytes(&body, int(n)) || !s.Skip(int(-n&3)) {
		return nil, more
	}
	return body, yes
}

// readGSS reads RPCSEC_GSS credentials (RFC 2203, section 5): the service of its data messages.
func readGSS(b []byte, service *uint32) bool {
	s := cryptobyte.String(b)
	var version, procedure, seq uint32
	if !s.ReadUint32(&version) || !s.ReadUint32(&procedure) || !s.ReadUint32(&seq) || !s.ReadUint32(service) || version == 0 || procedure > 3 {
		return false
	}
	if procedure != 0 {
		*service = 0
	}
	return true
}

// parseReply reads an accepted reply as far as its results; ok: it has some.
func parseReply(b []byte) (xid uint32, verifier []byte, results cryptobyte.String, is answer, ok bool) {
	s := cryptobyte.String(b)
	var kind, stat, flavour uint32
	if !s.ReadUint32(&xid) || !s.ReadUint32(&kind) || !s.ReadUint32(&stat) {
		return xid, nil, nil, more, false
	}
	if kind != 1 || stat != 0 {
		return xid, nil, nil, no, false
	}
	if verifier, is = opaqueAuth(&s, &flavour); is != yes {
		return xid, nil, nil, is, false
	}
	if !s.ReadUint32(&stat) {
		return xid, nil, nil, more, false
	}
	if stat > 5 {
		return xid, nil, nil, no, false
	}
	return xid, verifier, s, yes, stat == 0
}

// rpcTalk is what is remembered of a conversation.
type rpcTalk struct {
	calls []rpcWaiting // oldest first
}

// rpcWaiting is a call whose reply matters: one to the port mapper, or the question for TLS.
type rpcWaiting struct {
	xid  uint32
	from int
	tls  bool
	ask  portQuestion
}

// call tells what a call says; false: there is nothing more to come.
func (r *rpcTalk) call(c *conversation, from int, call *sunCall) bool {
	if !c.known {
		c.protocol("onc-rpc")
	}
	what, inside := "ONC RPC call in clear", ""
	switch call.program {
	case progNFS:
		what, inside = "NFS call in clear", "nfs"
	case progPortmap:
		what, inside = "portmap call in clear", "portmap"
		r.askPort(c, from, call)
	}
	if inside != "" && c.name == "onc-rpc" {
		c.protocol(inside)
	}
	tells := call.program == progPortmap
	switch {
	case call.procedure == 0 && call.flavour == rpcTLS:
		r.wait(c, rpcWaiting{xid: call.xid, from: from, tls: true})
		return true
	case call.service == gssPrivacy:
		c.encrypted("RPCSEC_GSS privacy")
		return tells
	case call.procedure == 0 || call.flavour == rpcGSS && call.service == 0:
		return true
	}
	c.clear(what)
	return tells
}

func (r *rpcTalk) wait(c *conversation, w rpcWaiting) {
	if len(r.calls) >= maxRPCCalls {
		r.calls = append(r.calls[:0], r.calls[1:]...)
		c.blind()
	}
	r.calls = append(r.calls, w)
}

// answered takes the call that a reply of a side answers out.
func (r *rpcTalk) answered(from int, xid uint32) (rpcWaiting, bool) {
	for i, w := range r.calls {
		if w.xid == xid && w.from != from {
			r.calls = append(r.calls[:i], r.calls[i+1:]...)
			return w, true
		}
	}
	return rpcWaiting{}, false
}

// reply takes what a reply answers; starts: TLS begins behind it (RFC 9289, section 4.1).
func (r *rpcTalk) reply(c *conversation, from int, data []byte) (starts bool) {
	xid, verifier, results, is, ok := parseReply(data)
	if is != yes || !ok {
		return false
	}
	w, known := r.answered(from, xid)
	switch {
	case !known:
	case w.tls:
		return string(verifier) == "STARTTLS"
	default:
		w.ask.answer(c, w.from, results)
	}
	return false
}

// readRPC, on any port. A conversation begins with a call, or was in progress before the capture began.
func readRPC(c *conversation, from int, data []byte) answer {
	call, is := parseCall(data)
	talk, known := c.state.(*rpcTalk)
	if !known {
		if is != yes && !isReply(data) {
			return no
		}
		talk = new(rpcTalk)
		c.state = talk
	}
	if is != yes {
		talk.reply(c, from, data)
		return follow
	}
	if talk.call(c, from, &call) {
		return follow
	}
	return yes
}

// isReply says whether bytes are an accepted reply without a verifier, as most are: 20 bytes that are nearly all fixed.
func isReply(b []byte) bool {
	_, verifier, _, is, _ := parseReply(b)
	return is == yes && len(verifier) == 0 && binary.BigEndian.Uint32(b[12:]) == rpcNone
}

// sunFirst: over TCP each record is cut in fragments, with a mark before each.
func sunFirst(_ *conversation, _ int, data []byte) answer {
	if data[0]&0x7f > maxRPCRecord>>24 {
		return no
	}
	if len(data) < 12 {
		return more
	}
	mark := binary.BigEndian.Uint32(data)
	n := int(mark &^ lastFragment)
	if n < 24 || n > maxRPCRecord {
		return no
	}
	record := data[4:min(4+n, len(data))]
	if record[4]|record[5]|record[6] != 0 || record[7] > 1 {
		return no
	}
	_, is := parseCall(record)
	if record[7] == 1 {
		if len(record) < 24 {
			return more
		}
		if mark&lastFragment == 0 || !isReply(record) {
			return no
		}
		return yes
	}
	if is == more && len(record) == n {
		return no
	}
	return is
}

// rpcStream is ONC RPC over TCP.
type rpcStream struct {
	rpcTalk
	inside [2]bool // a side is in the middle of a record
}

func openRPC() dialogue { return new(rpcStream) }

func (s *rpcStream) read(c *conversation, from int, data []byte) (int, step) {
	if len(data) < 4 {
		return 0, goOn
	}
	mark := binary.BigEndian.Uint32(data)
	n := int(mark &^ lastFragment)
	if n > maxRPCRecord {
		return 0, done
	}
	if s.inside[from] {
		s.inside[from] = mark&lastFragment == 0
		return 4 + n, goOn
	}
	want := min(n, maxRPCHead)
	if len(data) < 4+want {
		return 0, goOn
	}
	s.inside[from] = mark&lastFragment == 0
	record := data[4 : 4+want]
	if call, is := parseCall(record); is == yes {
		if !s.call(c, from, &call) {
			return 0, done
		}
	} else if s.reply(c, from, record) {
		return 4 + n, restart
	}
	return 4 + n, goOn
}
