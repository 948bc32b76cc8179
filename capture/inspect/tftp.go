package inspect

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"pcapaudit/capture/flow"
)

const (
	tftpRead = 1 + iota // RFC 1350, section 5
	tftpWrite
	tftpData
	tftpAck
	tftpError
	tftpOptionAck // RFC 2347
)

const (
	// tftpPatience is how long a request waits for its answer from another port. The RFCs set no time; clients ask again every few
	// seconds and give up within half a minute (tftp-hpa: 25 s). Each new request begins the time anew.
	tftpPatience = 60e9
	tftpBlock    = 512 // bytes of data, unless options say otherwise
	maxRequests  = 32  // of one conversation that are told
)

// tftpRequests counts the requests of a conversation.
type tftpRequests int

// readTFTP recognises a request, which is a control conversation: the transfer is another one, from a new port of the responder to the port that
// asked. Of that it recognises what cannot well be anything else: an acknowledgement of the first block, option names, an error, a full first block.
func readTFTP(c *conversation, from int, data []byte) answer {
	if len(data) < 4 || data[0] != 0 {
		return no
	}
	block := binary.BigEndian.Uint16(data[2:])
	switch data[1] {
	case tftpRead, tftpWrite:
		if isTFTPRequest(data[2:]) {
			return askTFTP(c, from, data[1])
		}
		return no
	case tftpData:
		if block != 1 || len(data) != 4+tftpBlock {
			return no
		}
	case tftpAck:
		if block > 1 || len(data) != 4 {
			return no
		}
	case tftpError:
		if text := data[4:]; block > 8 || len(text) == 0 || bytes.IndexByte(text, 0) != len(text)-1 || !printable(text[:len(text)-1]) {
			return no
		}
	case tftpOptionAck:
		if !areTFTPOptions(data[2:]) || len(data) == 2 {
			return no
		}
	default:
		return no
	}
	c.protocol("tftp")
	c.clear("TFTP transfer in clear")
	return yes
}

func askTFTP(c *conversation, from int, what byte) answer {
	c.protocol("tftp")
	c.clear("TFTP request in clear")
	c.controls(flow.AnnouncedByTFTP, from)
	n, _ := c.state.(tftpRequests)
	if n++; n > maxRequests {
		c.blind()
		return yes
	}
	c.state = n
	c.announce(from, flow.Announcement{Until: c.packet.at + tftpPatience, Peer: c.addrs[from], To: netip.AddrPortFrom(c.addrs[from^1], 0),
		Proto: flow.UDP, What: [...]string{tftpRead: "read", tftpWrite: "write"}[what]})
	return follow
}

// isTFTPRequest: a file name, a mode, and options (RFC 2347), each ended by a NUL.
func isTFTPRequest(b []byte) bool {
	name, rest, ok := bytes.Cut(b, []byte{0})
	mode, rest, ended := bytes.Cut(rest, []byte{0})
	if !ok || !ended || len(name) == 0 || !printable(name) {
		return false
	}
	switch string(bytes.ToLower(mode)) {
	case "octet", "netascii", "mail":
		return areTFTPOptions(rest)
	}
	return false
}

// areTFTPOptions: pairs of a name and a value.
func areTFTPOptions(b []byte) bool {
	for range 16 {
		if len(b) == 0 {
			return true
		}
		name, rest, ok := bytes.Cut(b, []byte{0})
		value, rest, ended := bytes.Cut(rest, []byte{0})
		if !ok || !ended || len(name) == 0 || !printable(name) || !printable(value) {
			return false
		}
		b = rest
	}
	return false
}

// printable says whether all bytes are text: none is a control character.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
