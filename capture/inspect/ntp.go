package inspect

import "encoding/binary"

const (
	ntpHeader     = 48 // RFC 5905, section 7.3
	maxNTPStratum = 16
)

// readNTP: RFC 5905, and its control messages (RFC 9327), on port 123.
func readNTP(c *conversation, _ int, data []byte) answer {
	if !c.onPort(123) || len(data) < 12 {
		return no
	}
	version, mode := data[0]>>3&7, data[0]&7
	switch {
	case version < 1 || version > 4:
		return no
	case mode >= 1 && mode <= 5:
		poll, precision := int8(data[2]), int8(data[3])
		if len(data) < ntpHeader || len(data)%4 != 0 || data[1] > maxNTPStratum || poll < -8 || poll > 24 || precision > 0 {
			return no
		}
		c.protocol("ntp")
		c.clear("NTP message in clear")
	case mode == 6 && version >= 2:
		if int(binary.BigEndian.Uint16(data[10:])) > len(data)-12 {
			return no
		}
		c.protocol("ntp")
		c.clear("NTP control message in clear")
	default:
		return no
	}
	return yes
}
