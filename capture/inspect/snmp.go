package inspect

const (
	snmpPrivacy = 2    // bit of msgFlags (RFC 3412, section 6.4)
	snmpReport  = 0xa8 // PDU by which an engine makes itself known
)

// readSNMP: RFC 1157 (version 1), RFC 1901 (2c), RFC 3412 (3), on any port.
func readSNMP(c *conversation, _ int, data []byte) answer {
	e, is := berHead(data)
	if is != yes || e.tag != 0x30 || e.size() != len(data) {
		return no
	}
	version, rest, ok := berNumber(data[e.head:], 0x02)
	switch {
	case ok && version == 3:
		return readSNMP3(c, rest)
	case !ok || version > 1:
		return no
	}
	_, pdu, ok := berTake(rest, 0x04) // the community
	if !ok || len(pdu) == 0 || pdu[0] < 0xa0 || pdu[0] > snmpReport {
		return no
	}
	c.protocol("snmp")
	c.clear([2]string{"SNMPv1 message in clear", "SNMPv2c message in clear"}[version])
	return yes
}

// readSNMP3 reads a message behind its version. The messages in which the sides get to know each other are never encrypted, so the conversation
// goes on until one says more.
func readSNMP3(c *conversation, b []byte) answer {
	global, b, ok := berTake(b, 0x30)
	_, global, hasID := berNumber(global, 0x02)
	_, global, hasSize := berNumber(global, 0x02)
	flags, global, hasFlags := berTake(global, 0x04)
	_, _, hasModel := berNumber(global, 0x02)
	security, b, hasSecurity := berTake(b, 0x04)
	if !ok || !hasID || !hasSize || !hasFlags || !hasModel || !hasSecurity || len(flags) != 1 || len(b) == 0 {
		return no
	}
	c.protocol("snmp")
	if flags[0]&snmpPrivacy != 0 {
		c.encrypted("SNMPv3 privacy")
		return yes
	}
	scoped, _, ok := berTake(b, 0x30)
	_, scoped, hasEngine := berTake(scoped, 0x04)
	_, scoped, hasContext := berTake(scoped, 0x04)
	if ok && hasEngine && hasContext && len(scoped) > 0 && scoped[0] != snmpReport && knowsEngine(security) {
		c.clear("SNMPv3 message in clear")
		return yes
	}
	return follow
}

// knowsEngine says whether user-based security parameters (RFC 3414, section 2.4) name the engine that is spoken to, as in all but discovery.
func knowsEngine(security []byte) bool {
	parameters, _, _ := berTake(security, 0x30)
	engine, _, ok := berTake(parameters, 0x04)
	return ok && len(engine) > 0
}
