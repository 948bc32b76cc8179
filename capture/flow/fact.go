package flow

import "net/netip"

// FactKind says what a Fact tells of its connection.
type FactKind uint8

const (
	FactProtocol   FactKind = iota // Value: the protocol recognised, "tls"; "unknown" where payload was read and none was. A later one runs inside the earlier: smtp, then tls
	FactEncrypted                  // Value: what encrypts the payload from Packet on: "TLS 1.3", "SSH 2.0", "SMB 3.1.1 encryption"
	FactCleartext                  // Value: what was seen in clear, in words: "HTTP request in clear"
	FactOffered                    // Value: the highest version of TLS or DTLS that was offered: "TLS 1.3"
	FactClientCert                 // Value: "requested", "not requested", "sent", "hidden" (TLS 1.3 encrypts the request)
	FactServerCert                 // Value: "sent", "hidden"
	FactALPN                       // Value: the application protocol that was chosen, or offered where the choice is hidden: "h2"
	FactName                       // Value: a name that the originator claims for the responder; Origin says where it stood
	FactPrintable                  // Value: printable bytes of an unknown payload's head in per cent, "93"; it proves nothing
	FactNote                       // Value: an observation about how the service is configured: "SMB signing not required"
)

// Fact is something that the payload of a connection told. Values hold at most MaxFactValue bytes and may hold hostile text, except for names.
type Fact struct {
	Kind   FactKind
	Origin NameOrigin // of a FactName
	File   uint16
	Packet uint64 // number, in its file, of the packet that told it
	Value  string
}

// MaxFactValue is the length of the longest Fact.Value: that of a host name (RFC 1035, section 2.3.4).
const MaxFactValue = 253

// NameOrigin says where a host name was learned, weakest first.
type NameOrigin uint8

const (
	NameInCapture NameOrigin = iota // a name-resolution block of the capture file
	NameNetBIOS                     // a NetBIOS registration or answer
	NameDHCP                        // the host name in a DHCP request
	NameReverse                     // an answer to a query for the name of an address: the owner of the address may say anything
	NameHTTP                        // Host or CONNECT of an HTTP request
	NameSNI                         // server name of a TLS ClientHello
	NameDNS                         // an answer to a query that was seen
)

var nameOrigins = [...]string{"capture", "netbios", "dhcp", "reverse-dns", "http", "sni", "dns"}

func (o NameOrigin) String() string { return nameOrigins[o] }

// Name is a host name that an address goes by, told as it is seen.
type Name struct {
	At     int64 // packet time
	Until  int64 // the end of its validity: the answer's time to live with a margin; 0 where it has none
	File   uint16
	Packet uint64
	Origin NameOrigin // NameDNS, NameReverse, NameDHCP, NameNetBIOS, NameInCapture
	Asker  netip.Addr // who asked for it; invalid where everybody may know it
	Name   string     // as asked for: lower case, without final dot
	Chain  string     // DNS: the last canonical name (RFC 1034, section 3.6.2) where it is another, else ""
	Addr   netip.Addr
}

// Announcer is a service that tells the ports of connections to come.
type Announcer uint8

const (
	AnnouncedByNobody  Announcer = iota
	AnnouncedByRPC               // MS-RPCE endpoint mapper or DCOM activation: TCP 135
	AnnouncedByFTP               // RFC 959: the control connection; either side may open the data connection
	AnnouncedByTFTP              // RFC 1350: the request; the answer comes from another port
	AnnouncedByPortmap           // RFC 1833
	AnnouncedBySIP               // RFC 3261 with RFC 8866: media
)

var announcers = [...]string{"", "rpc-endpoint-mapper", "ftp", "tftp", "portmap", "sip"}

func (a Announcer) String() string { return announcers[a] }

// ControlEvent says what an Announcement is about.
type ControlEvent uint8

const (
	ControlSeen   ControlEvent = iota // a control conversation begins, and its payload is read from its beginning
	PortAnnounced                     // Peer may connect to To
	ControlLost                       // from Since on the control conversation cannot be read: bytes are missing, or it is encrypted
	ControlDoubt                      // something that was said since Since has not been seen yet: bytes before others, an answer that announces ports
	ControlWhole                      // what the last ControlDoubt of the conversation told has come
)

// Announcement is what a control conversation told, as it is seen.
//
// Mostly a connection from Peer, whatever its port, to To is announced. TFTP's request names no port: its answer comes from any port
// of the responder to the port that asked (RFC 1350, section 4). Then To has Resp's address and port 0, which means any port, Peer is
// Orig's address, and the transfer is the conversation between Orig, with its port, and To, whichever of the two sends first.
type Announcement struct {
	At     int64 // packet time
	Since  int64 // ControlLost, ControlDoubt: not after At; math.MinInt64 where the conversation began before the capture
	Until  int64 // PortAnnounced: the end of its validity
	File   uint16
	Packet uint64
	By     Announcer
	Event  ControlEvent
	Orig   netip.AddrPort // of the control conversation: who asked
	Resp   netip.AddrPort // who answers
	Peer   netip.Addr     // PortAnnounced: who may connect
	To     netip.AddrPort // PortAnnounced: where
	Proto  Proto          // PortAnnounced
	What   string         // the RPC interface, "passive", "active" ...
}
