package survey

import (
	"slices"
	"strings"

	"pcapaudit/rules"
)

// Bounds of the search. Work is counted in exchanges that are looked at, so that the same connections end it at the same place.
const (
	maxSweeps = 12
	maxWork   = 15_000_000
	least     = 1e-6 // gain of a step worth taking
)

// tally is what the exchanges of a host, as they are explained now, say of its roles.
type tally struct {
	opens   map[*rules.Flow]int // exchanges that it opened
	answers map[*rules.Flow]int
	asked   map[int]int // by role: exchanges that it answered by the role
	bonus   float64     // of the flows in opens
	before  float64     // standing at the beginning of a change
	stamp   int         // of the change in which before was noted
}

// search changes roles one by one, and of all holders of a role together, as long as the score grows.
func (d *decision) search() {
	for range maxSweeps {
		changed := false
		for _, h := range byCandidates(d.hosts) {
			changed = d.improve(h) > 0 || changed
		}
		changed = d.regroup() || changed
		if changed = d.pair() || changed; !changed || d.work > maxWork {
			return
		}
	}
}

// apply gives a host other roles and all its exchanges the best option that is left. It says how much the score grows; to give back the old roles
// takes it back.
func (d *decision) apply(h *host, roles roleSet) (gain float64) {
	d.stamp++
	d.changed = d.changed[:0]
	d.touch(h)
	gain -= d.cost(h.roles, h)
	for _, r := range h.roles {
		if d.held[r]--; d.held[r] == 0 {
			gain += costKind
		}
	}
	h.roles = roles
	for _, r := range roles {
		if d.held[r]++; d.held[r] == 1 {
			gain -= costKind
		}
	}
	gain += d.cost(roles, h)
	for _, list := range [...][]*use{h.in, h.out} {
		for _, u := range list {
			gain += d.retake(u)
		}
	}
	for _, x := range d.changed {
		gain += d.standing(x) - x.before
	}
	return gain
}

// touch notes how a host stood before it changes.
func (d *decision) touch(h *host) {
	if h.stamp != d.stamp {
		h.stamp, h.before = d.stamp, d.standing(h)
		d.changed = append(d.changed, h)
	}
}

// retake explains an exchange by the best option for the roles as they are, and says how much better that is.
func (d *decision) retake(u *use) (gain float64) {
	d.work++
	took := -1
	for i := range u.options {
		if o := &u.options[i]; d.plays(u.orig, o.from) && d.plays(u.resp, o.to) {
			took = i
			break // they are sorted
		}
	}
	if took == u.took {
		return 0
	}
	d.touch(u.orig)
	if u.resp != nil {
		d.touch(u.resp)
	}
	if u.took >= 0 {
		gain -= u.options[u.took].value
		u.count(-1)
	}
	if u.took = took; took >= 0 {
		gain += u.options[took].value
		u.count(1)
	}
	return gain
}

// count adds an exchange to the tallies of its ends, or takes it away.
func (u *use) count(n int) {
	o := &u.options[u.took]
	was := u.orig.opens[o.flow]
	u.orig.opens[o.flow] = was + n
	if was == 0 {
		u.orig.bonus += o.bonus
	} else if was+n == 0 {
		u.orig.bonus -= o.bonus
	}
	if u.resp != nil {
		u.resp.answers[o.flow] += n
		u.resp.asked[o.to] += n
	}
}

// standing is what speaks for the roles of a host beside the exchanges that they explain. The first exchange that a flow explains counts more than the next ones: two
// services that all agents use are rather two kinds of server than one kind twice. What its roles are documented to open or to be asked for all the time, and is not, counts against them.
func (d *decision) standing(h *host) float64 {
	total := h.bonus
	for _, r := range h.roles {
		for _, f := range d.due[r] {
			switch {
			case h.opens[f] > 0:
			case d.anybody(f):
				total -= costUnseen
			default:
				total -= costUnheld
			}
		}
		if d.serves[r] && h.asked[r] == 0 {
			total -= costSilent
		}
		if len(d.asks[r]) > 0 && !slices.ContainsFunc(d.asks[r], func(f *rules.Flow) bool { return h.answers[f] > 0 }) {
			total -= costUnasked
		}
	}
	return total
}

// anybody says whether a flow's responder is known: a host with one of its roles, or a reserved or documented one.
func (d *decision) anybody(f *rules.Flow) bool {
	return slices.ContainsFunc(f.ToRoles(), func(q string) bool {
		n, ok := d.roles.number[q]
		return !ok || d.roles.documented[n] || d.held[n] > 0
	})
}

func (d *decision) cost(roles roleSet, h *host) (total float64) {
	for _, r := range roles {
		switch {
		case d.roles.baseline[r]:
			total -= costBaseline
		default:
			total -= costRole
		}
		if h.hinted.has(r) {
			total += nameHint
		}
	}
	return total
}

// improve takes the best single change of one host's roles again and again: one more, one less, one for another. It says how much the score grew.
func (d *decision) improve(h *host) (total float64) {
	for range len(h.candidates) + 1 {
		best, roles := least, h.roles
		for _, next := range h.neighbours() {
			if gain := d.gain(h, next); gain > best {
				best, roles = gain, next
			}
		}
		if best == least {
			return total
		}
		total += d.apply(h, roles)
	}
	return total
}

func (h *host) neighbours() []roleSet {
	var list []roleSet
	for _, r := range h.roles {
		list = append(list, h.roles.without(r))
	}
	for _, r := range h.candidates {
		if h.roles.has(r) {
			continue
		}
		list = append(list, h.roles.with(r))
		for _, old := range h.roles {
			list = append(list, h.roles.without(old).with(r))
		}
	}
	return list
}

// gain is how much the score would grow if a host had other roles.
func (d *decision) gain(h *host, roles roleSet) float64 {
	if d.work > maxWork {
		return 0
	}
	old := h.roles
	gain := d.apply(h, roles)
	d.apply(h, old)
	return gain
}

// regroup tries another role for all holders of one, and the exchange of two roles, which no change of one host finds.
func (d *decision) regroup() bool {
	changed := false
	for a := range d.held {
		for b := range d.held {
			if a != b && d.held[a] > 0 && d.work <= maxWork && d.exchangeable(a, b) {
				changed = d.swap(a, b) || changed
			}
		}
	}
	return changed
}

// exchangeable says whether every holder of a may play b.
func (d *decision) exchangeable(a, b int) bool {
	return !slices.ContainsFunc(d.hosts, func(h *host) bool { return h.roles.has(a) && !h.candidates.has(b) })
}

// swap gives b to the holders of a, and a to those of b that may play it, if the score grows.
func (d *decision) swap(a, b int) bool {
	old := map[*host]roleSet{}
	gain := 0.0
	for _, h := range d.hosts {
		var next roleSet
		switch hasA, hasB := h.roles.has(a), h.roles.has(b); {
		case hasA && !hasB:
			next = h.roles.without(a).with(b)
		case hasB && !hasA:
			if next = h.roles.without(b); h.candidates.has(a) {
				next = next.with(a)
			}
		default:
			continue
		}
		old[h] = h.roles
		gain += d.apply(h, next)
	}
	if gain > least {
		return true
	}
	for _, h := range d.hosts {
		if roles, changed := old[h]; changed {
			d.apply(h, roles)
		}
	}
	return false
}

// pair gives both ends of an exchange the roles of an option at once, where neither gains alone, and lets them drop what they need no more.
func (d *decision) pair() bool {
	changed := false
	for _, u := range d.uses {
		for i := range u.options {
			o, taken := &u.options[i], d.taken(u)
			if u.resp == nil || d.work > maxWork || taken != nil && o.value <= taken.value || d.plays(u.orig, o.from) || d.plays(u.resp, o.to) {
				continue
			}
			oldA, oldB := u.orig.roles, u.resp.roles
			gain := d.apply(u.orig, oldA.with(o.from))
			gain += d.apply(u.resp, u.resp.roles.with(o.to))
			gain += d.improve(u.orig) + d.improve(u.resp)
			if gain > least {
				changed = true
				break
			}
			d.apply(u.orig, oldA)
			d.apply(u.resp, oldB)
		}
	}
	return changed
}

// hint notes the candidate roles that a host's name speaks of: a word of the role's name, or its initials. It only decides where exchanges do not.
func (d *decision) hint(h *host) {
	h.hinted = nil
	if h.nameFrom == "" && h.known == nil {
		return
	}
	label, _, _ := strings.Cut(h.name, ".")
	words := strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return r < 'a' || r > 'z' })
	for _, r := range h.candidates {
		if _, role, _ := strings.Cut(d.roles.names[r], "/"); speaksOf(words, strings.Split(role, "-")) {
			h.hinted = h.hinted.with(r)
		}
	}
}

// speaksOf holds words of a host's name against those of a role's.
func speaksOf(words, role []string) bool {
	initials := ""
	for _, w := range role {
		if w != "" {
			initials += w[:1]
		}
	}
	return slices.ContainsFunc(words, func(w string) bool {
		return len(w) > 1 && w == initials || slices.ContainsFunc(role, func(r string) bool { return alike(w, r) })
	})
}

// alike says whether two words begin alike as far as endings go: license and licenses, reports and reporting. Words that many roles have in common say nothing.
func alike(a, b string) bool {
	const common, ending = 4, 3
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n >= common && len(a)-n <= ending && len(b)-n <= ending && !slices.Contains([]string{"server", "point", "host", "internal"}, b)
}
