package flow

import (
	"strconv"
	"strings"
)

// ParseConnID reads what ConnID.String gives, and nothing else.
func ParseConnID(s string) (id ConnID, ok bool) {
	file, packet, ok := strings.Cut(s, ":")
	if !ok {
		return id, false
	}
	packet, depth, inside := strings.Cut(packet, ".")
	f, err1 := strconv.ParseUint(file, 10, 16)
	p, err2 := strconv.ParseUint(packet, 10, 64)
	var d uint64
	var err3 error
	if inside {
		d, err3 = strconv.ParseUint(depth, 10, 8)
	}
	id = ConnID{File: uint16(f), Packet: p, Depth: uint8(d)}
	if err1 != nil || err2 != nil || err3 != nil || id.String() != s {
		return ConnID{}, false
	}
	return id, true
}
