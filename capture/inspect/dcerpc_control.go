package inspect

import "encoding/binary"

// controlInterface is an RPC interface whose responses announce ports.
type controlInterface struct {
	name      uuid // in its usual form, big-endian
	responses map[uint16]func(*endpoints, *ndr) bool
}

// controlInterfaces are the endpoint mapper (C706, appendix O) and what activates DCOM objects ([MS-DCOM], section 1.9).
var controlInterfaces = [...]*controlInterface{
	{
		uuid{0xe1, 0xaf, 0x83, 0x08, 0x5d, 0x1f, 0x11, 0xc9, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa}, // ept
		map[uint16]func(*endpoints, *ndr) bool{2: (*endpoints).looked, 3: (*endpoints).mapped},
	}, {
		uuid{0x00, 0x00, 0x01, 0xa0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}, // IRemoteSCMActivator
		map[uint16]func(*endpoints, *ndr) bool{3: (*endpoints).created, 4: (*endpoints).created},
	}, {
		uuid{0x99, 0xfc, 0xfe, 0xc4, 0x52, 0x60, 0x10, 0x1b, 0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a}, // IObjectExporter
		map[uint16]func(*endpoints, *ndr) bool{0: (*endpoints).resolved, 4: (*endpoints).resolved},
	}, {
		uuid{0x4d, 0x9f, 0x4a, 0xb8, 0x7d, 0x1c, 0x11, 0xcf, 0x86, 0x1e, 0x00, 0x20, 0xaf, 0x6e, 0x7c, 0x57}, // IActivation
		map[uint16]func(*endpoints, *ndr) bool{0: (*endpoints).activated},
	},
}

var ndr64 = uuid{0x71, 0x71, 0x05, 0x33, 0xbe, 0xba, 0x49, 0x37, 0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36}

// controlOf finds a control interface by its identifier as it stands in a PDU; nil for others.
func controlOf(id uuid, order binary.ByteOrder) *controlInterface {
	for _, k := range controlInterfaces {
		if id == k.name.inOrder(order) {
			return k
		}
	}
	return nil
}

// isNDR64 says whether a transfer syntax, an identifier and a version, is NDR64.
func isNDR64(syntax []byte, order binary.ByteOrder) bool {
	return len(syntax) >= 16 && uuid(syntax[:16]) == ndr64.inOrder(order)
}
