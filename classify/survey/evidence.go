package survey

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// claim is one role of one host with what speaks for it.
type claim struct {
	role     string // qualified
	sure     string // clear, likely, guess
	evidence string
	others   []string // roles that fit as well
}

// clearFrom is from how many exchanges on that tell something a role is clear where no other one fits.
const clearFrom = 3

// tie is the difference in score below which nothing but chance decides between two roles.
const tie = 1.0

// claims are the roles of a host in the packs' order.
func (d *decision) claims(h *host) []claim {
	var list []claim
	for _, r := range h.roles {
		in, out := d.because(h, r)
		others, tied := d.others(h, r)
		c := claim{role: d.roles.names[r], others: others}
		for _, n := range d.rivals(h, r, in, out) {
			tied = true
			if name := d.short(n, r); len(c.others) < maxListed && !slices.Contains(c.others, name) {
				c.others = append(c.others, name)
			}
		}
		c.evidence = d.spoken(h, r, in, out)
		silent := len(in) > 0 && !slices.ContainsFunc(in, func(u *use) bool { return !d.taken(u).silent })
		telling := len(slices.DeleteFunc(slices.Concat(in, out), d.usual))
		switch {
		case tied, silent, telling == 0, len(in)+len(out) == 1 && h.fewConns(in, out):
			c.sure = "guess"
		case telling < clearFrom, len(c.others) > 0:
			c.sure = "likely"
		default:
			c.sure = "clear"
		}
		if silent {
			c.evidence += "; the document states no port, so that anything between these hosts fits"
		}
		if telling == 0 && !silent && len(in)+len(out) > 0 {
			c.evidence += "; on services that hosts of many kinds have"
		}
		list = append(list, c)
	}
	return list
}

// spoken is what speaks for a role of a host, in words.
func (d *decision) spoken(h *host, role int, in, out []*use) string {
	var words []string
	if len(in) > 0 {
		words = append(words, fmt.Sprintf("answers %s from %s", services(in), originators(in)))
	}
	if len(out) > 0 {
		words = append(words, fmt.Sprintf("opens %s to %s", services(out), responders(out)))
	}
	if h.hinted.has(role) {
		words = append(words, "its name fits")
	}
	return strings.Join(words, "; ")
}

// usual says whether an exchange that is explained says little of who has it: by its service, because its document states no port, or because platform traffic
// explains it as well.
func (d *decision) usual(u *use) bool {
	now := d.taken(u)
	f := now.flow
	platform := func(o option) bool { return o.flow.Pack.Kind == rules.Baseline && !o.silent }
	return now.silent || u.proto.IsICMP() || slices.Contains(common, fmt.Sprint(u.port)) || dynamic(f) || slices.Contains(f.Ports, "any") ||
		f.Pack.Kind != rules.Baseline && slices.ContainsFunc(u.options, platform)
}

// fewConns says whether all that speaks for a role is one connection.
func (h *host) fewConns(in, out []*use) bool {
	conns := uint64(0)
	for _, u := range slices.Concat(in, out) {
		conns += u.conns
	}
	return conns <= 1
}

// because are the exchanges that a role of a host explains, to it and from it.
func (d *decision) because(h *host, role int) (in, out []*use) {
	for _, u := range h.in {
		if o := d.taken(u); o != nil && o.to == role {
			in = append(in, u)
		}
	}
	for _, u := range h.out {
		if o := d.taken(u); o != nil && o.from == role {
			out = append(out, u)
		}
	}
	return in, out
}

// others are the roles that explain the same exchanges in place of one, the likeliest first; tied says that one of them is about as likely.
func (d *decision) others(h *host, role int) (names []string, tied bool) {
	type other struct {
		role int
		gain float64
	}
	var list []other
	worth := d.worthOf(h)
	for _, r := range h.candidates {
		if h.roles.has(r) {
			continue
		}
		old := h.roles
		gain := d.apply(h, old.without(role).with(r))
		same := d.worthOf(h) >= worth-least
		d.apply(h, old)
		if same {
			list = append(list, other{r, gain})
			tied = tied || gain > -tie || d.exchanged(h, role, r) > -tie
		}
	}
	slices.SortStableFunc(list, func(a, b other) int { return cmp.Compare(b.gain, a.gain) })
	for _, o := range list[:min(len(list), maxListed)] {
		names = append(names, d.short(o.role, role))
	}
	return names, tied
}

// rivals are the roles by which another pack explains all exchanges that speak for a role, with other roles at the other ends, but no more of them than now.
func (d *decision) rivals(h *host, role int, in, out []*use) []int {
	var list []int
	for i, u := range slices.Concat(in, out) {
		var fit []int
		now := d.taken(u)
		for _, o := range u.options {
			mine, theirs, needed := o.to, o.from, now.from
			if i >= len(in) {
				mine, theirs, needed = o.from, o.to, now.to
			}
			if mine != free && o.flow.Pack != now.flow.Pack && !h.roles.has(mine) && !o.silent && (theirs == free || needed != free) && o.value+lessForBaseline >= now.value {
				fit = append(fit, mine)
			}
		}
		if i == 0 {
			list = slices.Compact(slices.Sorted(slices.Values(fit)))
		} else {
			list = slices.DeleteFunc(list, func(r int) bool { return !slices.Contains(fit, r) })
		}
	}
	return list
}

// exchanged is how much the score grows where a host and the first one that holds another role exchange the two.
func (d *decision) exchanged(h *host, role, other int) float64 {
	i := slices.IndexFunc(d.hosts, func(g *host) bool {
		return g.roles.has(other) && !g.roles.has(role) && slices.Contains(g.candidates, role)
	})
	if i < 0 {
		return -2 * tie
	}
	g := d.hosts[i]
	oldH, oldG := h.roles, g.roles
	gain := d.apply(h, oldH.without(role).with(other))
	gain += d.apply(g, oldG.without(other).with(role))
	d.apply(h, oldH)
	d.apply(g, oldG)
	return gain
}

// worthOf is how well the exchanges of a host are explained, whatever is likelier.
func (d *decision) worthOf(h *host) (total float64) {
	for _, u := range slices.Concat(h.in, h.out) {
		if o := d.taken(u); o != nil {
			total += o.value
		}
	}
	return total
}

// short leaves out the pack that two roles have in common.
func (d *decision) short(role, beside int) string {
	pack, name, _ := strings.Cut(d.roles.names[role], "/")
	if p, _, _ := strings.Cut(d.roles.names[beside], "/"); p == pack {
		return name
	}
	return d.roles.names[role]
}

// unexplained are the exchanges of a host that no documented flow explains as roles are.
func (d *decision) unexplained(h *host) []*use {
	var list []*use
	for _, u := range slices.Concat(h.in, h.out) {
		if u.answered > 0 && d.taken(u) == nil {
			list = append(list, u)
		}
	}
	return list
}

func (u *use) service() string {
	switch {
	case u.proto.HasPorts():
		return fmt.Sprintf("%s/%d", u.proto, u.port)
	case u.proto.IsICMP():
		return fmt.Sprintf("%s type %d", u.proto, u.icmpType)
	}
	return u.proto.String()
}

// services are those of exchanges in order of ports, each once.
func services(list []*use) string {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *use) int {
		return cmp.Or(cmp.Compare(order(a.proto), order(b.proto)), cmp.Compare(a.port, b.port))
	})
	return listed(sorted, (*use).service, "")
}

// order has TCP before UDP before the rest.
func order(p flow.Proto) int {
	switch p {
	case flow.TCP:
		return 0
	case flow.UDP:
		return 1
	}
	return 2 + int(p)
}

func originators(list []*use) string {
	return listed(list, func(u *use) string { return u.orig.name }, "hosts")
}

func responders(list []*use) string {
	return listed(list, (*use).respName, "hosts")
}

// listed names what is different among exchanges, or says how many there are where these are too many to name; without a word for what they are it names the first ones.
func listed(list []*use, text func(*use) string, what string) string {
	var words []string
	known := map[string]bool{}
	for _, u := range list {
		if w := text(u); !known[w] {
			known[w] = true
			words = append(words, w)
		}
	}
	switch more := len(words) - maxListed; {
	case more > 0 && what == "":
		return fmt.Sprintf("%s and %d more", strings.Join(words[:maxListed], ", "), more)
	case more > 0:
		return fmt.Sprintf("%d %s", len(words), what)
	}
	return strings.Join(words, ", ")
}
