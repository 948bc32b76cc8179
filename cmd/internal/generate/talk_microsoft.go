package main

import (
	"encoding/binary"
	"strings"
)

// little writes numbers in Windows' order of bytes.
func little16(v uint16) string { return string(binary.LittleEndian.AppendUint16(nil, v)) }
func little32(v uint32) string { return string(binary.LittleEndian.AppendUint32(nil, v)) }

func zeros(n int) string { return strings.Repeat("\x00", n) }

// smb is a session of SMB 2.1: negotiation, session, tree, and blocks of 64 KB written to a file ([MS-SMB2], sections 2.2.3 to 2.2.22).
func smb(blocks int) []turn {
	id := uint64(0)
	message := func(command uint16, answer bool, body string) string {
		flags, session, tree := uint32(0), uint64(0x2000_0001), uint32(5)
		if answer {
			flags = 1
		}
		if command == 0 || command == 1 && !answer {
			session = 0
		}
		if command < 3 {
			tree = 0
		}
		head := "\xfeSMB" + little16(64) + little16(1) + little32(0) + little16(command) + little16(1) + little32(flags) + little32(0) +
			string(binary.LittleEndian.AppendUint64(nil, id)) + little32(0xfeff) + little32(tree) + string(binary.LittleEndian.AppendUint64(nil, session)) + zeros(16)
		if answer {
			id++
		}
		return head + body
	}
	framed := func(m string, more int) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(m)+more))) + m
	}
	const (
		negotiate, setup, connect, create, closed, write = 0, 1, 3, 5, 6, 9

		block = 65536
		guid  = "a guid, 16 bytes"
		when  = "\x00\x00\x35\x0f\x40\x82\xdc\x01"
	)
	token := "NTLMSSP\x00\x01\x00\x00\x00\x07\x82\x08\xa2" + zeros(16)
	share := ""
	for _, c := range `\\dc\backup` {
		share += string([]byte{byte(c), 0})
	}
	file := strings.Repeat("\x11", 16)
	s := []turn{
		asks(framed(message(negotiate, false, little16(36)+little16(2)+little16(1)+zeros(2)+little32(0)+guid+zeros(8)+little16(0x0202)+little16(0x0210)), 0)),
		answers(framed(message(negotiate, true, little16(65)+little16(1)+little16(0x0210)+zeros(2)+guid+little32(7)+little32(1<<20)+little32(1<<20)+little32(1<<20)+when+when+
			little16(128)+little16(0)+zeros(4)), 0)),
		asks(framed(message(setup, false, little16(25)+"\x00\x01"+little32(0)+little32(0)+little16(88)+little16(uint16(len(token)))+zeros(8)+token), 0)),
		answers(framed(message(setup, true, little16(9)+little16(0)+little16(72)+little16(0)), 0)),
		asks(framed(message(connect, false, little16(9)+little16(0)+little16(72)+little16(uint16(len(share)))+share), 0)),
		answers(framed(message(connect, true, little16(16)+"\x01\x00"+little32(0)+little32(0)+little32(0x001f01ff)), 0)),
		asks(framed(message(create, false, little16(57)+"\x00\x00"+little32(2)+zeros(16)+little32(0x0012019f)+little32(0)+little32(3)+little32(5)+little32(0)+little16(120)+little16(2)+
			little32(0)+little32(0)+"f\x00"), 0)),
		answers(framed(message(create, true, little16(89)+"\x00\x00"+little32(2)+when+when+when+when+zeros(16)+little32(0x20)+zeros(4)+file+zeros(8)), 0)),
	}
	for i := range blocks {
		s = append(s,
			asks(framed(message(write, false, little16(49)+little16(112)+little32(block)+string(binary.LittleEndian.AppendUint64(nil, uint64(i)*block))+file+zeros(16)), block)).then(block, block),
			answers(framed(message(write, true, little16(17)+little16(0)+little32(block)+zeros(8)), 0)))
	}
	return append(s,
		asks(framed(message(closed, false, little16(24)+little16(0)+zeros(4)+file), 0)),
		answers(framed(message(closed, true, little16(60)+little16(0)+zeros(4)+zeros(48)+little32(0)), 0)))
}

// Interfaces of DCE/RPC, identifier and version as they go over the wire: the endpoint mapper, the transfer syntax NDR, and one that no vendor has.
const (
	mapper = "\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa\x03\x00\x00\x00"
	ndr    = "\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"
	backup = "\x51\x0c\x8e\x2b\x7d\x1a\x44\x4e\x9b\x30\x5e\x11\x72\x8a\x03\xc4\x01\x00\x00\x00"
)

// pdu is a packet of connection-oriented DCE/RPC in one fragment (C706, section 12.6.4).
func pdu(kind byte, body string) string {
	return string([]byte{5, 0, kind, 3}) + "\x10\x00\x00\x00" + little16(uint16(16+len(body))) + little16(0) + little32(1) + body
}

// bound opens a context for an interface; port is the address that the server names.
func bound(what, port string) []turn {
	address := little16(uint16(len(port)+1)) + port + "\x00"
	for (24+len(address))%4 != 0 { // aligned from the packet's start
		address += "\x00"
	}
	return []turn{
		asks(pdu(11, little16(5840)+little16(5840)+little32(0)+"\x01\x00\x00\x00"+"\x00\x00\x01\x00"+what+ndr)),
		answers(pdu(12, little16(5840)+little16(5840)+little32(0x1234)+address+"\x01\x00\x00\x00"+"\x00\x00\x00\x00"+ndr)),
	}
}

func call(operation uint16, request, response string) []turn {
	return []turn{
		asks(pdu(0, little32(uint32(len(request)))+little16(0)+little16(operation)+request)),
		answers(pdu(2, little32(uint32(len(response)))+little16(0)+"\x00\x00"+response)),
	}
}

// mapped asks a host's endpoint mapper for the port of an interface (C706, appendixes L and O: ept_map).
func mapped(h *host, port uint16) []turn {
	floor := func(left, right string) string {
		return little16(uint16(len(left))) + left + little16(uint16(len(right))) + right
	}
	tower := func(port uint16, address []byte) string {
		return little16(5) + floor("\x0d"+backup[:18], "\x00\x00") + floor("\x0d"+ndr[:18], "\x00\x00") + floor("\x0b", "\x00\x00") +
			floor("\x07", string(binary.BigEndian.AppendUint16(nil, port))) + floor("\x09", string(address))
	}
	octets := func(t string) string {
		return little32(uint32(len(t))) + little32(uint32(len(t))) + t + zeros((4-len(t)%4)%4)
	}
	request := little32(1) + zeros(16) + little32(2) + octets(tower(135, make([]byte, 4))) + zeros(20) + little32(4)
	response := zeros(20) + little32(1) + little32(4) + little32(0) + little32(1) + little32(3) + octets(tower(port, h.four[:])) + little32(0)
	return script(bound(mapper, "135"), call(3, request, response))
}

// called is calls to the interface that mapped found.
func called() []turn {
	return script(bound(backup, "49667"), call(26, zeros(180), zeros(76)), call(39, zeros(400), zeros(500)))
}
