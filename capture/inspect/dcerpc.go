package inspect

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"pcapaudit/capture/flow"
)

const (
	maxBinds    = 4   // binds without answer
	maxContexts = 16  // presentation contexts of control interfaces
	maxCalls    = 16  // calls of them without answer
	maxPDUs     = 256 // of a connection without a control interface: it is let go then
	maxStub     = 256 << 10

	// rpcValid is how long an announced endpoint holds. A binding handle keeps the endpoint that it resolved for as long as its program
	// has it, and opens further connections without asking again; a day covers the programs of a working day without trusting a port for ever.
	rpcValid = 24 * time.Hour
)

// rpcContext is a presentation context of a control interface.
type rpcContext struct {
	id      uint16
	control *controlInterface
	wide    bool // NDR64
}

// rpcBind is a bind or alter_context that waits for its answer.
type rpcBind struct {
	call     uint32
	contexts []rpcContext
	places   []int // of the contexts in the PDU
}

// rpcCall is a call of a control interface that waits for its response.
type rpcCall struct {
	id      uint32
	context rpcContext
	opnum   uint16
	stub    []byte // of the response, so far
}

// rpc follows a DCE/RPC connection. What it keeps of calls to ordinary interfaces is nothing.
type rpc struct {
	client   int // the side that calls; -1 until it is known
	contexts []rpcContext
	binds    []rpcBind
	calls    []rpcCall
	pdus     int
	waits    bool // the other side's PDU waits for one of the caller
	blind    bool
	greeted  bool
}

func newRPC() dialogue { return &rpc{client: -1} }

func (d *rpc) read(c *conversation, from int, data []byte) (used int, next step) {
	if !d.greeted && data[0] == rpcGreeting[0] {
		if len(data) < len(rpcGreeting) {
			return 0, goOn
		}
		d.greeted = string(data[:len(rpcGreeting)]) == rpcGreeting
		if !d.greeted {
			return 0, done
		}
		return len(rpcGreeting), goOn
	}
	size, is := rpcHead(data)
	switch {
	case is == more:
		return 0, goOn
	case is == no:
		d.lose(c)
		return 0, done
	case size > maxHead:
		d.lose(c) // no implementation sends PDUs that large
		return size, d.after(c)
	case len(data) < size:
		return 0, goOn
	}
	p, ok := parsePDU(data[:size])
	if !ok {
		d.lose(c)
		return size, d.after(c)
	}
	if !d.pdu(c, from, &p) {
		d.waits = true
		return 0, goOn
	}
	return size, d.after(c)
}

// asked: what waits for a response is a call of a control interface.
func (d *rpc) asked() bool { return len(d.calls) > 0 }

// after says how it goes on behind a PDU: for the connection's life where it controls others.
func (d *rpc) after(c *conversation) step {
	d.pdus++
	if len(d.contexts) == 0 && len(d.binds) == 0 && (d.pdus >= maxPDUs || c.has(flow.FactEncrypted) && c.has(flow.FactCleartext)) {
		return done
	}
	return goOn
}

// lose tells that a control conversation cannot be read any more.
func (d *rpc) lose(c *conversation) {
	if !d.blind && d.client >= 0 {
		d.blind = true
		c.blind()
	}
}

// pdu takes one PDU; false where it must wait for an earlier one of the caller.
func (d *rpc) pdu(c *conversation, from int, p *pdu) bool {
	if d.client < 0 {
		d.client = from
		if !p.client {
			d.client ^= 1
		}
	}
	if p.client != (from == d.client) {
		return true
	}
	taken := true
	switch p.kind {
	case pduBind, pduAlter:
		d.bind(c, p)
	case pduBindAck, pduAlterAnswer:
		taken = d.bound(c, p)
	case pduBindNak:
		d.binds = nil
	case pduRequest:
		d.request(c, p)
	case pduResponse:
		taken = d.response(c, p)
	case pduFault:
		d.drop(c, p.call)
	}
	if taken && p.client && d.waits {
		d.waits = false
		c.wake()
	}
	return taken
}

// bind notes the presentation contexts of control interfaces. Its list holds, for each context, a number, how many transfer syntaxes are offered,
// the interface, and these.
func (d *rpc) bind(c *conversation, p *pdu) {
	r := ndr{data: p.body, order: p.order}
	r.take(8)
	b := rpcBind{call: p.call}
	if n := r.take(4); n != nil {
		for place := range int(n[0]) {
			id := r.uint16()
			syntaxes := r.take(2)
			name := r.take(20)
			if name == nil {
				break
			}
			var syntax []byte
			for range syntaxes[0] {
				syntax = r.take(20)
			}
			control := controlOf(uuid(name[:16]), p.order)
			if control == nil || r.bad {
				continue
			}
			if len(b.contexts) >= maxContexts {
				d.lose(c)
				break
			}
			b.contexts = append(b.contexts, rpcContext{id, control, isNDR64(syntax, p.order)})
			b.places = append(b.places, place)
		}
	}
	if len(b.contexts) > 0 {
		if p.kind == pduBind {
			c.controls(flow.AnnouncedByRPC, d.client)
		}
		c.control, c.asks = flow.AnnouncedByRPC, d.client // an alter_context without its bind tells no beginning
	}
	if len(d.binds) >= maxBinds {
		d.lose(c)
		d.binds = slices.Delete(d.binds, 0, 1)
	}
	d.binds = append(d.binds, b)
}

// bound takes the answer to a bind: a secondary address, then a result and a transfer syntax for each context.
func (d *rpc) bound(c *conversation, p *pdu) bool {
	i := slices.IndexFunc(d.binds, func(b rpcBind) bool { return b.call == p.call })
	if i < 0 {
		return c.orig < 0 // the bind may lie before the capture
	}
	b := d.binds[i]
	d.binds = slices.Delete(d.binds, i, i+1)
	r := ndr{data: p.body, order: p.order}
	r.take(8)
	r.take(int(r.uint16()))
	r.align(4)
	n := r.take(4)
	if n == nil {
		return true
	}
	for place := range int(n[0]) {
		result := r.uint16()
		r.take(2)
		syntax := r.take(20)
		k := slices.Index(b.places, place)
		if r.bad || k < 0 || result != 0 {
			continue
		}
		x := b.contexts[k]
		x.wide = isNDR64(syntax, p.order)
		d.contexts = slices.DeleteFunc(d.contexts, func(y rpcContext) bool { return y.id == x.id })
		if len(d.contexts) >= maxContexts {
			d.lose(c)
			return true
		}
		d.contexts = append(d.contexts, x)
	}
	return true
}

// context finds a control interface by the number of its presentation context; nil for others.
func (d *rpc) context(id uint16) *rpcContext {
	for i := range d.contexts {
		if d.contexts[i].id == id {
			return &d.contexts[i]
		}
	}
	return nil
}

// protection tells whether a call can be read.
func (d *rpc) protection(c *conversation, p *pdu) {
	if p.level == levelSealed {
		c.encrypted("DCE/RPC packet privacy")
	} else {
		c.clear("DCE/RPC call in clear")
	}
}

func (d *rpc) request(c *conversation, p *pdu) {
	d.protection(c, p)
	x := d.context(p.order.Uint16(p.body[4:]))
	if x == nil || p.flags&firstPart == 0 {
		return
	}
	if len(d.calls) >= maxCalls {
		d.lose(c)
		d.drop(c, d.calls[0].id)
	}
	d.calls = append(d.calls, rpcCall{id: p.call, context: *x, opnum: p.order.Uint16(p.body[6:])})
}

// response gathers the parts of a control interface's response, and reads it with the last one.
func (d *rpc) response(c *conversation, p *pdu) bool {
	if d.context(p.order.Uint16(p.body[4:])) == nil {
		d.protection(c, p)
		return true
	}
	i := slices.IndexFunc(d.calls, func(call rpcCall) bool { return call.id == p.call })
	if i < 0 {
		return c.orig < 0 || d.blind
	}
	d.protection(c, p)
	call := &d.calls[i]
	read := call.context.control.responses[call.opnum]
	stub := p.body[8:]
	switch {
	case read == nil:
	case p.level == levelSealed, len(call.stub)+len(stub) > maxStub, !c.keep(len(stub)):
		d.lose(c)
	case p.flags&lastPart == 0:
		call.stub = append(call.stub, stub...)
		return true
	default:
		call.stub = append(call.stub, stub...)
		d.told(c, call, p.order, read)
	}
	d.drop(c, p.call)
	return true
}

// drop forgets a call.
func (d *rpc) drop(c *conversation, id uint32) {
	d.calls = slices.DeleteFunc(d.calls, func(call rpcCall) bool {
		if call.id == id {
			c.keep(-len(call.stub))
		}
		return call.id == id
	})
}

// told announces what a whole response tells. A host that a response names by a name alone is the server.
func (d *rpc) told(c *conversation, call *rpcCall, order binary.ByteOrder, read func(*endpoints, *ndr) bool) {
	var found endpoints
	if whole := read(&found, &ndr{data: call.stub, order: order, wide: call.context.wide}); !whole || found.full {
		d.lose(c)
	}
	server := c.addrs[d.client^1]
	said := map[endpoint]bool{}
	for _, p := range found.list {
		for _, addr := range []netip.Addr{server, p.addr} {
			p.addr = addr
			if !addr.IsValid() || said[p] {
				continue
			}
			said[p] = true
			c.announce(d.client, flow.Announcement{Until: c.packet.at + int64(rpcValid), Peer: c.addrs[d.client],
				To: netip.AddrPortFrom(addr, p.port), Proto: p.proto, What: p.what})
		}
	}
}
