package inspect

// recognise looks for the protocol of a side's first bytes, and opens its dialogue. It concludes a conversation that nothing will recognise.
//
// A protocol that is asked early and cannot tell yet keeps later ones from being recognised: what comes out does not depend on how the
// bytes were cut into segments.
func (in *Inspector) recognise(c *conversation, from int, data []byte) bool {
	s := &c.sides[from]
	if !s.refused {
		k, is := firstOf(c, from, data[:min(len(data), maxFirst)])
		if is == yes {
			c.protocol(k.name)
			c.talk = k.open()
			c.turns++
			return in.follow(c)
		}
		s.refused = is == no || len(data) >= maxFirst
	}
	if s.refused && (c.sides[from^1].refused || len(data) >= maxUnknown) {
		in.hold(s, data[:min(len(data), maxFirst)])
		in.conclude(c)
	}
	return false
}

// firstOf gives the protocol of a side's first bytes, and whether it is certain, or may become so.
func firstOf(c *conversation, from int, data []byte) (*streamKind, answer) {
	for _, k := range streams[data[0]] {
		if is := k.first(c, from, data); is == yes || is == more && len(data) < maxFirst {
			return k, is
		}
	}
	return nil, no
}
