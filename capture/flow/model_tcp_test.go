package flow

func kindOf(p *testPacket) string {
	switch f := p.Flags &^ PSH; {
	case f == SYN:
		return "SYN"
	case f == SYN|ACK:
		return "SYN-ACK"
	case f&SYN != 0:
		return "nonsense"
	case f&RST != 0:
		return "RST"
	}
	return "other"
}

func (c *modelConn) answers(p *testPacket) bool {
	extra := uint16(p.Ack - c.isn - 1)
	return extra == 0 || c.saw["data in SYN"] && extra <= 9000
}

// another says whether a packet belongs to a new connection between the same ends.
func (c *modelConn) another(p *testPacket) bool {
	kind := kindOf(p)
	if kind != "SYN" && kind != "SYN-ACK" {
		return false
	}
	dated := p.Bits&BadTime == 0 && c.timed
	ending := c.any("fin") || c.any("rst")
	if !c.known {
		return ending || dated && p.Time-c.conn.First > 1e9
	}
	quiet := dated && p.Time-c.conn.Last > 60e9
	opener := p.src == c.opener
	if kind == "SYN" {
		if opener && uint16(p.Seq) == uint16(c.isn) {
			return false
		}
		return ending || quiet || opener && !c.any("moved")
	}
	if !opener && c.answers(p) || opener && c.did("syn", p.dst) {
		return false
	}
	return ending || quiet || c.saw["other SYN"] || !c.any("syn") && !c.any("moved")
}

func (c *modelConn) tcp(p *testPacket) {
	switch kindOf(p) {
	case "SYN":
		if !c.known {
			c.known, c.opener, c.isn = true, p.src, p.Seq
		}
		switch {
		case p.src == c.opener && uint16(p.Seq) == uint16(c.isn):
			c.see("syn", p.src)
			if p.PayloadLen > 0 {
				c.saw["data in SYN"] = true
			}
		case p.src != c.opener && !c.did("moved", c.opener) && !c.did("syn", p.src):
			c.see("syn", p.src)
			c.respISN = p.Seq
		case !c.did("syn", p.src) || p.src == c.opener:
			c.saw["other SYN"] = true
		}
	case "SYN-ACK":
		if !c.known {
			c.known, c.opener, c.isn = true, p.dst, p.Ack-1
		}
		switch {
		case p.src != c.opener && c.answers(p):
			if !c.did("synack", p.src) {
				c.respISN = p.Seq
			}
			c.see("synack", p.src)
		case p.src == c.opener && c.did("syn", p.dst) && uint16(p.Ack-1) == uint16(c.respISN):
			c.see("synack", p.src)
		}
	case "RST":
		if c.known && p.src != c.opener && !c.any("synack") && !c.any("moved") {
			if p.Flags&ACK == 0 || !c.answers(p) {
				return
			}
			c.saw["refused"] = true
		}
		c.see("rst", p.src)
	case "other":
		delete(c.saw, "rst"+p.src.String())
		if p.Flags&FIN != 0 {
			c.see("fin", p.src)
		}
		if p.Flags&ACK != 0 || p.PayloadLen > 0 {
			c.see("moved", p.src)
			answered := c.respISN
			if p.src != c.opener {
				answered = c.isn
			}
			knows := uint16(p.Ack-1) == uint16(answered) || c.did("moved", p.dst)
			if c.known && p.Flags&ACK != 0 && knows && c.did("synack", p.dst) && (p.src == c.opener || c.did("syn", p.src)) {
				c.saw["acked"] = true
			}
		}
	}
}
