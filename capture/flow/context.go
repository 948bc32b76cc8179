package flow

import (
	"iter"
	"slices"
)

// maxContexts bounds the contexts that a table tells apart: hostile input can carry any VLAN stack and tunnel id.
const maxContexts = 1<<16 - 1

// otherContext stands for every context beyond maxContexts.
const otherContext = maxContexts

// Key is a set of what may be part of the key of connections besides ends and protocol: where address plans overlap, the same
// addresses and ports are different connections.
type Key uint8

const (
	KeyVLAN      Key = 1 << iota // the VLAN tags
	KeyInterface                 // the interface of the capture, by its name; see Table.EnterInterface
)

type context struct {
	vlans  []uint16
	tunnel string
	iface  string // "" unless part of the key
	part   uint16 // the number that all contexts share which the key does not tell apart
}

// contexts interns VLAN stacks, tunnel paths and, where the key asks for them, interfaces. Context 0 is the empty one. One goroutine may intern while
// another looks up numbers that it was given: neither moves what the other uses.
type contexts struct {
	byKey  map[string]uint16
	byPart map[string]uint16
	blocks [(maxContexts + contextBlock) / contextBlock]*[contextBlock]context
	n      int
	key    []byte
	with   Key
	iface  string // entered last
}

const contextBlock = 1 << 8

func newContexts(k Key) contexts {
	c := contexts{byKey: map[string]uint16{"": 0}, byPart: map[string]uint16{"": 0}, with: k}
	c.add(context{})
	return c
}

func (c *contexts) add(one context) {
	if c.n%contextBlock == 0 {
		c.blocks[c.n/contextBlock] = new([contextBlock]context)
	}
	*c.at(uint16(c.n)) = one
	c.n++
}

func (c *contexts) at(n uint16) *context { return &c.blocks[n/contextBlock][n%contextBlock] }

func (c *contexts) enter(iface string) {
	if c.with&KeyInterface != 0 {
		c.iface = iface
	}
}

// keyOf is the part of a context that belongs to the key, as a number.
func (c *contexts) keyOf(n uint16) uint16 {
	if n == otherContext {
		return otherContext
	}
	return c.at(n).part
}

func (c *contexts) intern(vlans []uint16, tunnel string) uint16 {
	c.key = c.key[:0]
	if c.iface != "" {
		c.key = append(append(append(c.key, 'i'), c.iface...), 0)
	}
	for _, v := range vlans {
		c.key = append(c.key, 'v', byte(v>>8), byte(v))
	}
	part := len(c.key)
	if tunnel != "" {
		c.key = append(append(c.key, 't'), tunnel...)
	}
	if n, ok := c.byKey[string(c.key)]; ok {
		return n
	}
	if c.n >= maxContexts {
		return otherContext
	}
	n := uint16(c.n)
	c.byKey[string(c.key)] = n
	if c.with&KeyVLAN == 0 {
		part -= 3 * len(vlans)
	}
	c.add(context{slices.Clone(vlans), tunnel, c.iface, c.part(c.key[:part])})
	return n
}

// part numbers what the key takes from contexts; there are no more of them than contexts.
func (c *contexts) part(of []byte) uint16 {
	n, ok := c.byPart[string(of)]
	if !ok {
		n = uint16(len(c.byPart))
		c.byPart[string(of)] = n
	}
	return n
}

// parts gives every number that keyOf may give.
func (c *contexts) parts() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for part := range uint64(len(c.byPart)) {
			if !yield(part) {
				return
			}
		}
		yield(otherContext)
	}
}

func (c *contexts) get(n uint16) context {
	if n == otherContext {
		return context{tunnel: "other"}
	}
	return *c.at(n)
}
