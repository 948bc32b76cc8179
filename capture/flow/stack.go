package flow

import "net/netip"

// MaxStackOptions is how many TCP options of a Stack are kept; what stands behind them is not.
const MaxStackOptions = 12

// Stack is what a SYN or SYN-ACK shows of the TCP/IP stack that sent it. Equal values of one address look like one machine.
type Stack struct {
	Addr    netip.Addr // of the sender
	Link    [6]byte    // its address on the link, or that of the router before it; zero where the capture has none
	Answer  bool       // a SYN-ACK: its options follow those of the SYN
	Hops    uint8      // TTL or hop limit as captured
	Window  uint16     // as sent, without scale
	MSS     uint16     // 0: not stated
	Options [MaxStackOptions]uint8
	Count   uint8 // of Options: kinds in their order (IANA "TCP Option Kind Numbers"), without the end of the list
}
