package inspect

import "encoding/binary"

// Packets of OpenVPN (its network protocol, "ssl_pkt.h" of the program): five bits of opcode, three of key id.
const (
	ovpnControl     = 4
	ovpnAck         = 5
	ovpnData1       = 6
	ovpnResetClient = 7
	ovpnResetServer = 8
	ovpnData2       = 9
	ovpnResetCrypt2 = 10

	ovpnLeastData  = 24 // opcode, peer, packet number, tag
	ovpnResetPlain = 14 // opcode, session, no acknowledgements, packet number
	maxOvpnReset   = 2048
)

// isOpenVPNReset says whether a packet opens a session: the first of either side, with key 0. Without protection of the control channel it is all
// fixed but the session; with --tls-auth a code of a known length and a packet number that begins at 1 are before the rest, with --tls-crypt behind the session.
func isOpenVPNReset(b []byte) bool {
	if len(b) < ovpnResetPlain || binary.BigEndian.Uint64(b[1:]) == 0 {
		return false
	}
	fresh := func(at int) bool { // packet number 1 and a time from 2001 to 2106, of the replay protection
		return len(b) >= at+8 && binary.BigEndian.Uint32(b[at:]) == 1 && binary.BigEndian.Uint32(b[at+4:]) >= 1_000_000_000
	}
	switch b[0] {
	case ovpnResetClient << 3:
		if len(b) == ovpnResetPlain {
			return b[9] == 0 && binary.BigEndian.Uint32(b[10:]) == 0
		}
		hmac := len(b) - ovpnResetPlain - 8
		if hmac == 16 || hmac == 20 || hmac == 28 || hmac == 32 || hmac == 48 || hmac == 64 {
			tail := b[len(b)-5:]
			if fresh(9+hmac) && tail[0] == 0 && binary.BigEndian.Uint32(tail[1:]) == 0 {
				return true
			}
		}
		return len(b) == 54 && fresh(9)
	case ovpnResetServer << 3:
		if len(b) == ovpnResetPlain+4+8 { // acknowledges packet 0 of the client's session
			return b[9] == 1 && binary.BigEndian.Uint32(b[10:]) == 0 && binary.BigEndian.Uint32(b[22:]) == 0
		}
		return len(b) > 54 && len(b) < maxOvpnReset && fresh(9)
	case ovpnResetCrypt2 << 3:
		return len(b) > 54 && len(b) < maxOvpnReset && fresh(9)
	}
	return false
}

// isOpenVPNData says whether a packet of a session carries what is tunnelled.
func isOpenVPNData(b []byte) bool {
	return len(b) >= ovpnLeastData && (b[0]>>3 == ovpnData1 || b[0]>>3 == ovpnData2)
}

// readOpenVPN, on any port, from the beginning of a session.
func readOpenVPN(c *conversation, _ int, data []byte) answer {
	if c.kind == nil && !isOpenVPNReset(data) {
		return no
	}
	c.protocol("openvpn")
	if isOpenVPNData(data) {
		c.encrypted("OpenVPN")
		return yes
	}
	return follow
}

// openvpnFirst: over TCP each packet has its length before it.
func openvpnFirst(_ *conversation, _ int, data []byte) answer {
	if len(data) < 3 {
		if len(data) == 2 && binary.BigEndian.Uint16(data) < ovpnResetPlain {
			return no
		}
		return more
	}
	n := int(binary.BigEndian.Uint16(data))
	if op := data[2] >> 3; n < ovpnResetPlain || n >= maxOvpnReset || data[2]&7 != 0 || op != ovpnResetClient && op != ovpnResetServer && op != ovpnResetCrypt2 {
		return no
	}
	if len(data) < 2+min(n, 100) {
		return more
	}
	// A long reset begins like all others, and its length does not matter to the part that is checked.
	if isOpenVPNReset(data[2:min(2+n, len(data))]) {
		return yes
	}
	return no
}

// openvpnStream is OpenVPN over TCP.
type openvpnStream struct{}

func openOpenVPN() dialogue { return openvpnStream{} }

func (openvpnStream) read(c *conversation, _ int, data []byte) (int, step) {
	if len(data) < 3 {
		return 0, goOn
	}
	n := int(binary.BigEndian.Uint16(data))
	switch op := data[2] >> 3; {
	case n == 0 || op < ovpnControl || op > ovpnResetCrypt2+1:
		return 0, done
	case n >= ovpnLeastData && (op == ovpnData1 || op == ovpnData2):
		c.encrypted("OpenVPN")
		return 0, done
	}
	return 2 + n, goOn
}
