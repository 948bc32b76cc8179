package classify

import (
	"net/netip"

	"pcapaudit/rules"
)

// What a connection adds up is found by wide keys in many tables: a route that comes for the first time spent two thirds of its time on them. But few of them depend on the
// route. Here is remembered what depends on less: on the flow, on one end, on one end and the flow, on two networks. As with routes, the tables stay the truth.

// kept is where connections of an option are added up. Its pointers are nil where they are not known yet.
type kept struct {
	sum      *flowSum
	kinds    *[numVerdicts]tally
	payloads *flowPayloads
	samples  *[]seen
	cell     matrixCell
}

// matrixCell is the last cell of an option: with ends that play named roles it is always the same.
type matrixCell struct {
	from, to string
	verdict  verdict
	sum      *tally
}

// kept is what is remembered of an option.
func (a *Auditor) kept(o *option) *kept {
	if a.routes.off {
		return &kept{}
	}
	return &o.kept
}

// usage is what a party did on a flow.
type usage struct {
	flow       *rules.Flow // nil: none
	who        party
	orig, resp bool     // sums count it as an end of the flow
	tracked    *tracked // nil: not known yet
}

// usage is that of a party, at an address, and the flow of an option, until the next is asked for.
func (a *Auditor) usage(o *option, who party, at *endpoint) *usage {
	u := &a.routes.uses[mix(at.hash, o.number)>>(64-useBits)]
	if u.flow != o.Flow || u.who != who || a.routes.off {
		*u = usage{flow: o.Flow, who: who}
	}
	return u
}

// between is what is known of two networks.
type between struct {
	from, to netip.Prefix
	seen     uint8    // that traffic both ways is noted: a bit for each that the ends can be, inside and outside
	loss     *lossSum // nil: not known yet
}

// between is what is known of the networks of two addresses, until the next is asked for.
func (a *Auditor) between(from, to *endpoint) *between {
	b := &a.routes.pairs[mix(from.netHash, to.netHash)>>(64-pairBits)]
	if b.from != from.network || b.to != to.network || a.routes.off {
		*b = between{from: from.network, to: to.network}
	}
	return b
}

// sides is the bit of between.seen for a view.
func (v *view) sides() uint8 {
	bit := uint8(1)
	if v.orig.Inside {
		bit <<= 1
	}
	if v.resp.Inside {
		bit <<= 2
	}
	return bit
}
