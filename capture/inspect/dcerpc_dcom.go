package inspect

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"pcapaudit/capture/flow"
)

// resolved reads the response of IObjectExporter's ResolveOxid and ResolveOxid2 ([MS-DCOM], sections 3.1.2.5.1.1 and .3): a pointer to the
// bindings of an object exporter. It returns false where the response does not hold what it should.
func (e *endpoints) resolved(r *ndr) bool {
	if r.pointer() == 0 {
		return !r.bad
	}
	return e.bindings(r)
}

// activated reads the response of IActivation's RemoteActivation (section 3.1.2.5.2.3.1): ORPCTHAT, the exporter's number, its bindings.
func (e *endpoints) activated(r *ndr) bool {
	r.uint32()
	if r.pointer() != 0 {
		return false // extensions, which no implementation sends
	}
	r.align(8)
	r.take(8)
	return e.resolved(r)
}

// bindings reads a conformant DUALSTRINGARRAY (section 2.2.19.1).
func (e *endpoints) bindings(r *ndr) bool {
	r.pointer()
	entries, security := int(r.uint16()), int(r.uint16())
	array := r.take(2 * entries)
	if r.bad || security > entries {
		return false
	}
	e.strings(array[:2*security], r.order)
	return true
}

// strings reads the string bindings in front of the security bindings (section 2.2.19.3): a tower's identifier and a text up to a zero
// character, "host[port]". The host may be a name; it is one of the server's own.
func (e *endpoints) strings(array []byte, order binary.ByteOrder) {
	for len(array) >= 4 {
		tower := order.Uint16(array)
		if tower == 0 {
			return
		}
		var text []byte
		for array = array[2:]; len(array) >= 2; array = array[2:] {
			if c := order.Uint16(array); c == 0 {
				break
			} else if c < 0x7f {
				text = append(text, byte(c))
			}
		}
		if len(array) < 2 {
			return
		}
		array = array[2:]
		switch tower {
		case floorTCP:
			e.add(stringBinding(text, flow.TCP))
		case floorUDP:
			e.add(stringBinding(text, flow.UDP))
		}
	}
}

func stringBinding(text []byte, proto flow.Proto) endpoint {
	p := endpoint{what: "dcom", proto: proto}
	host, port, _ := bytes.Cut(text, []byte("["))
	port, _, _ = bytes.Cut(port, []byte("]"))
	if n, err := strconv.ParseUint(string(port), 10, 16); err == nil {
		p.port = uint16(n)
	}
	if addr, err := netip.ParseAddr(string(host)); err == nil {
		p.addr = reachable(addr)
	}
	return p
}

var (
	// objrefPrefix begins an OBJREF_CUSTOM that holds the properties that an activation returns (sections 2.2.18.6 and 2.2.22): "MEOW", the
	// custom form, IActivationPropertiesOut, CLSID_ActivationPropertiesOut.
	objrefPrefix = append(append([]byte("MEOW\x04\x00\x00\x00"), comID(0x01a3)...), comID(0x0339)...)
	scmReply     = comID(0x01b6) // CLSID_ScmReplyInfo
)

// comID is one of COM's own identifiers, 0000nnnn-0000-0000-C000-000000000046, as it stands in an OBJREF.
func comID(n uint16) []byte {
	return []byte{byte(n), byte(n >> 8), 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}
}

// created reads the response of IRemoteSCMActivator's RemoteGetClassObject and RemoteCreateInstance (section 3.1.2.5.2.3.2): behind
// ORPCTHAT and pointers, an OBJREF with properties. Its own form is little-endian, whatever the order of the call; a failed activation has none.
func (e *endpoints) created(r *ndr) bool {
	at := bytes.Index(r.data, objrefPrefix)
	if at < 0 {
		return len(r.data) < len(objrefPrefix)
	}
	blob := r.data[at+len(objrefPrefix):]
	if len(blob) < 16 {
		return false
	}
	return e.properties(blob[16:]) // behind cbExtension, reserved, dwSize, dwReserved
}

// properties reads an activation properties BLOB from its CustomHeader on (section 2.2.22.1).
func (e *endpoints) properties(blob []byte) bool {
	r := ndr{data: blob, order: binary.LittleEndian}
	r.take(16) // the type serialization's headers, [MS-RPCE] section 2.2.6
	r.uint32() // totalSize
	at := int64(r.uint32())
	r.take(8)
	r.uint32() // cIfs
	r.take(16)
	classes, sizes := r.uint32(), r.uint32()
	r.uint32()
	if classes == 0 || sizes == 0 {
		return false
	}
	n := r.count(16)
	ids := r.take(16 * n)
	if r.count(4) != n {
		return false
	}
	for i := range n {
		size := int64(r.uint32())
		if r.bad || size > int64(len(blob))-at {
			return false
		}
		if bytes.Equal(ids[16*i:][:16], scmReply) {
			return e.reply(blob[at : at+size])
		}
		at += size
	}
	return true
}

// reply reads a ScmReplyInfoData (section 2.2.22.2.8).
func (e *endpoints) reply(property []byte) bool {
	r := ndr{data: property[min(16, len(property)):], order: binary.LittleEndian}
	reserved := r.uint32()
	if r.uint32() == 0 {
		return !r.bad
	}
	if reserved != 0 {
		r.uint32()
	}
	r.align(8)
	r.take(8) // OXID
	bound := r.uint32()
	r.take(16 + 4 + 4) // IPID of IRemUnknown, authentication, version
	if bound == 0 {
		return !r.bad
	}
	return e.bindings(&r)
}
