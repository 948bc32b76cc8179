package flow

import "slices"

// maxContexts bounds the contexts that a table tells apart: hostile input can carry any VLAN stack and tunnel id.
const maxContexts = 1<<16 - 1

// otherContext stands for every context beyond maxContexts.
const otherContext = maxContexts

type context struct {
	vlans  []uint16
	tunnel string
}

// contexts interns VLAN stacks and tunnel paths. Context 0 is the empty one.
type contexts struct {
	byKey map[string]uint16
	list  []context
	key   []byte
}

func newContexts() contexts {
	return contexts{byKey: map[string]uint16{"": 0}, list: make([]context, 1)}
}

func (c *contexts) intern(vlans []uint16, tunnel string) uint16 {
	c.key = c.key[:0]
	for _, v := range vlans {
		c.key = append(c.key, 'v', byte(v>>8), byte(v))
	}
	if tunnel != "" {
		c.key = append(append(c.key, 't'), tunnel...)
	}
	if n, ok := c.byKey[string(c.key)]; ok {
		return n
	}
	if len(c.list) >= maxContexts {
		return otherContext
	}
	n := uint16(len(c.list))
	c.byKey[string(c.key)] = n
	c.list = append(c.list, context{slices.Clone(vlans), tunnel})
	return n
}

func (c *contexts) get(n uint16) context {
	if n == otherContext {
		return context{tunnel: "other"}
	}
	return c.list[n]
}
