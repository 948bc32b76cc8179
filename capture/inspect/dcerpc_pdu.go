package inspect

import "encoding/binary"

// Connection-oriented PDUs (C706, section 12.6.4; [MS-RPCE], section 2.2.2).
const (
	pduRequest     = 0
	pduResponse    = 2
	pduFault       = 3
	pduBind        = 11
	pduBindAck     = 12
	pduBindNak     = 13
	pduAlter       = 14
	pduAlterAnswer = 15
	pduLast        = 20 // request to send, of RPC over HTTP

	pduHeader   = 16
	pduTrailer  = 8
	firstPart   = 0x01
	lastPart    = 0x02
	levelSealed = 6 // RPC_C_AUTHN_LEVEL_PKT_PRIVACY
)

// rpcGreeting is what a server says first where DCE/RPC is asked for as ncacn_http ([MS-RPCH], section 2.1.1.1).
const rpcGreeting = "ncacn_http/1.0"

// pdu is one whole PDU.
type pdu struct {
	data   []byte
	order  binary.ByteOrder
	kind   uint8
	flags  uint8
	call   uint32
	level  uint8  // of protection; 0: no trailer
	body   []byte // behind the header, without trailer and padding
	client bool   // sent by the side that calls
}

// rpcHead checks the header of a PDU and gives its length.
func rpcHead(data []byte) (size int, is answer) {
	for i, check := range []func(b byte) bool{
		func(b byte) bool { return b == 5 },
		func(b byte) bool { return b <= 1 },
		func(b byte) bool { return b <= pduLast && b != 1 && (b < 4 || b > 10) },
		func(b byte) bool { return true },
		func(b byte) bool { return b == 0x00 || b == 0x10 },
		func(b byte) bool { return b <= 3 },
		func(b byte) bool { return b == 0 },
		func(b byte) bool { return b == 0 },
	} {
		if i >= len(data) {
			return 0, more
		}
		if !check(data[i]) {
			return 0, no
		}
	}
	if len(data) < pduHeader {
		return 0, more
	}
	order := rpcOrder(data)
	size = int(order.Uint16(data[8:]))
	auth := int(order.Uint16(data[10:]))
	if size < pduHeader || auth > 0 && size < pduHeader+pduTrailer+auth {
		return 0, no
	}
	return size, yes
}

func rpcOrder(data []byte) binary.ByteOrder {
	if data[4]&0x10 != 0 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// rpcFirst recognises a PDU by its header, or the greeting of ncacn_http.
func rpcFirst(_ *conversation, _ int, data []byte) answer {
	if n := min(len(data), len(rpcGreeting)); string(data[:n]) == rpcGreeting[:n] {
		if n == len(rpcGreeting) {
			return yes
		}
		return more
	}
	_, is := rpcHead(data)
	return is
}

// parsePDU parts a PDU that rpcHead has checked. It returns false where the trailer is not in it.
func parsePDU(data []byte) (p pdu, ok bool) {
	p = pdu{data: data, order: rpcOrder(data), kind: data[2], flags: data[3]}
	p.call = p.order.Uint32(data[12:])
	end := len(data)
	if auth := int(p.order.Uint16(data[10:])); auth > 0 {
		end -= auth + pduTrailer
		if end < pduHeader {
			return p, false
		}
		p.level = data[end+1]
		end -= min(int(data[end+2]), end-pduHeader)
	}
	p.body = data[pduHeader:end]
	switch p.kind {
	case pduRequest, pduBind, pduAlter, 16, 18, 19:
		p.client = true
	}
	return p, len(p.body) >= 8 || p.kind != pduRequest && p.kind != pduResponse
}
