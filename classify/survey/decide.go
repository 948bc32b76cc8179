package survey

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"pcapaudit/rules"
)

// decision is which host plays which roles: those for which the score is largest, so that as many exchanges as possible are explained by as
// few roles as possible, and the flows that a role is documented to open are seen.
type decision struct {
	s      *Survey
	roles  roles
	hosts  []*host
	uses   []*use
	silent []*rules.Flow        // those that state no port
	closed map[*rules.Flow]bool // those whose condition the other exchanges speak against
	due    [][]*rules.Flow      // by role: what is required all the time of its holder to open
	asks   [][]*rules.Flow      // by role: the same of others to open to its holder
	serves []bool               // by role: as many flows or more lead to its holder as come from it
	held   []int                // by role: how many hosts hold it

	work    int // exchanges that the search has looked at
	stamp   int // number of the change
	changed []*host

	beyond int // hosts with roles that a draft has no room for
}

// What roles cost, and what it costs that a flow which a role is documented to open was not seen.
const (
	costRole     = 3.0
	costBaseline = 3.5
	costKind     = 1.0 // the first host with a role
	costUnseen   = 5.0
	costUnheld   = 2.0 // of a flow whose other end nobody plays
	costSilent   = 2.0 // a server that nobody asks for anything
	costUnasked  = 9.5 // a management server with which no agent registers
	nameHint     = 1.5
)

// roleSet is a sorted set of role numbers.
type roleSet []int

func (r roleSet) has(n int) bool {
	_, ok := slices.BinarySearch(r, n)
	return ok
}

func (r roleSet) with(n int) roleSet {
	i, ok := slices.BinarySearch(r, n)
	if ok {
		return r
	}
	return slices.Insert(slices.Clone(r), i, n)
}

func (r roleSet) without(n int) roleSet {
	return slices.DeleteFunc(slices.Clone(r), func(x int) bool { return x == n })
}

// decide settles the roles of all hosts. Conditions follow from the exchanges that are explained; flows of conditions that others speak
// against are then left out, and all is decided again.
func (s *Survey) decide() *decision {
	d := &decision{s: s, roles: s.numberRoles(), closed: map[*rules.Flow]bool{}}
	for _, p := range s.set.Packs {
		for _, f := range p.Flows {
			if s.set.Site != nil && s.set.ConditionEntry(f, 0) != nil && s.set.Condition(f, 0) == rules.Off {
				d.closed[f] = true
			}
			if !f.Reference && (slices.Contains(f.Ports, "unstated") || f.Proto == "unstated") {
				d.silent = append(d.silent, f)
			}
		}
	}
	d.uses = s.uses()
	d.join()
	s.locate(d.hosts, d.uses)
	d.settle()
	if d.close() {
		d.settle()
	}
	for _, h := range d.hosts {
		d.spare(h)
	}
	return d
}

// spare takes from a host the roles without which all that it does is explained as well, first those that matter least to the score.
func (d *decision) spare(h *host) {
	for range h.roles {
		worth, old, next, best := d.worthOf(h), h.roles, h.roles, 0.0
		for _, r := range old {
			gain := d.apply(h, old.without(r))
			if d.worthOf(h) >= worth-least && (len(next) == len(old) || gain > best) {
				next, best = h.roles, gain
			}
			d.apply(h, old)
		}
		if len(next) == len(old) {
			return
		}
		d.apply(h, next)
	}
}

// join makes the hosts and ties the exchanges to them.
func (d *decision) join() {
	used := map[netip.Addr]bool{}
	speaks := map[netip.Addr]bool{}
	for _, u := range d.uses {
		speaks[u.exchange.orig] = true
		if u.answered > 0 {
			speaks[u.exchange.resp] = true
		}
	}
	group := func(a netip.Addr) bool { return isGroup(a) || directed(a) && !speaks[a] }
	for _, u := range d.uses {
		used[u.exchange.orig] = true
		if !group(u.exchange.resp) {
			used[u.exchange.resp] = true
		}
	}
	d.hosts = d.s.hosts(used)
	at := map[netip.Addr]*host{}
	for _, h := range d.hosts {
		for _, a := range h.addrs {
			at[a] = h
		}
	}
	for _, u := range d.uses {
		u.orig = at[u.exchange.orig]
		u.orig.out = append(u.orig.out, u)
		if u.resp = at[u.exchange.resp]; u.resp != nil {
			u.resp.in = append(u.resp.in, u)
		}
	}
}

// settle explains all exchanges and searches for the best roles.
func (d *decision) settle() {
	for _, u := range d.uses {
		u.options = u.options[:0]
		d.explain(u)
	}
	d.prune()
	d.work = 0
	n := len(d.roles.names)
	d.held, d.due, d.asks, d.serves = make([]int, n), make([][]*rules.Flow, n), make([][]*rules.Flow, n), make([]bool, n)
	for _, h := range d.hosts {
		h.candidates, h.roles = nil, nil
		h.tally = tally{opens: map[*rules.Flow]int{}, answers: map[*rules.Flow]int{}, asked: map[int]int{}}
	}
	for _, u := range d.uses {
		u.took = -1
		for _, o := range u.options {
			if o.from != free {
				u.orig.candidates = u.orig.candidates.with(o.from)
			}
			if o.to != free {
				u.resp.candidates = u.resp.candidates.with(o.to)
			}
		}
	}
	for _, h := range d.hosts {
		d.hint(h)
	}
	d.dueFlows()
	d.weigh()
	d.search()
}

// prune takes from the options those that give a host a baseline role by services alone that any host may answer, where the role has services of its own:
// a file server is no domain controller.
func (d *decision) prune() {
	own := make([]bool, len(d.roles.names)) // roles that documents give such services
	for _, p := range d.s.set.Packs {
		for _, f := range p.Flows {
			for _, q := range f.ToRoles() {
				if n, ok := d.roles.number[q]; ok && slices.ContainsFunc(f.Ports, func(port string) bool { return !slices.Contains(common, port) }) {
					own[n] = true
				}
			}
		}
	}
	for _, h := range d.hosts {
		seen := map[int]bool{}
		for _, u := range h.in {
			for _, o := range u.options {
				if o.to != free && !slices.Contains(common, fmt.Sprint(u.port)) && o.value > valueUnmatched && !dynamic(o.flow) {
					seen[o.to] = true
				}
			}
		}
		for _, u := range h.in {
			u.options = slices.DeleteFunc(u.options, func(o option) bool { return o.to != free && d.roles.baseline[o.to] && own[o.to] && !seen[o.to] })
		}
	}
}

// common are services that hosts of many kinds answer: web, RPC, file sharing.
var common = []string{"80", "443", "135", "139", "445", "dynamic", "any"}

func dynamic(f *rules.Flow) bool { return slices.Contains(f.Ports, "dynamic") }

// dueFlows lists for each role the flows that documents require all the time, and which roles are those of servers.
func (d *decision) dueFlows() {
	balance := make([]int, len(d.roles.names)) // flows that lead to a role, less those that come from it
	ends := make([]bool, len(d.roles.names))
	each := func(qualified []string, do func(role int)) {
		for _, q := range qualified {
			if n, ok := d.roles.number[q]; ok {
				do(n)
			}
		}
	}
	for _, p := range d.s.set.Packs {
		for _, f := range p.Flows {
			each(f.ToRoles(), func(n int) { balance[n]++; ends[n] = true })
			each(f.FromRoles(), func(n int) { balance[n]-- })
			if f.Need != "required" || f.Occurrence != "periodic" || f.Originator == "either" || d.closed[f] || slices.Contains(d.silent, f) {
				continue
			}
			each(f.FromRoles(), func(n int) { d.due[n] = append(d.due[n], f) })
			if len(f.To) == 1 {
				each(f.ToRoles(), func(n int) { d.asks[n] = append(d.asks[n], f) })
			}
		}
	}
	for n := range d.serves {
		d.serves[n] = ends[n] && balance[n] >= 0
	}
}

// weigh begins the search: every exchange shares itself out among its options by how much its ends look like the roles so far, again and again; then each takes
// the option that got most. This decides over all hosts at once: a host looks like an agent because those whom it talks to look like management servers.
func (d *decision) weigh() {
	for _, h := range d.hosts {
		h.weight, h.next = make([]float64, len(d.held)), make([]float64, len(d.held))
		for _, r := range h.candidates {
			h.weight[r] = 1 / float64(len(h.candidates))
		}
		for _, r := range h.hinted {
			h.weight[r]++
		}
	}
	rounds := min(maxRounds, 2+maxWork/(1+len(d.uses))/32)
	var share []float64
	for range rounds {
		for _, u := range d.uses {
			sum := 0.0
			share, sum = u.share(share)
			for i := range share {
				o := &u.options[i]
				u.orig.gets(o.from, share[i]/sum)
				u.resp.gets(o.to, share[i]/sum)
			}
		}
		for _, h := range d.hosts {
			h.weighAnew()
		}
	}
	given := map[*host]roleSet{}
	for _, u := range d.uses {
		if share, _ = u.share(share); len(share) == 0 {
			continue
		}
		best := 0
		for i := range share {
			if share[i] > share[best]+1e-9 {
				best = i
			}
		}
		o := u.options[best]
		if !o.silent && o.from != free {
			given[u.orig] = given[u.orig].with(o.from)
		}
		if !o.silent && o.to != free {
			given[u.resp] = given[u.resp].with(o.to)
		}
	}
	for _, h := range d.hosts {
		h.weight, h.next = nil, nil
		d.apply(h, given[h])
	}
}

// maxRounds is how often the exchanges share themselves out; most cases stand still by then.
const maxRounds = 30

// share is how much of an exchange each option gets, and the sum; nothing where no option gets any.
func (u *use) share(into []float64) (list []float64, sum float64) {
	list = into[:0]
	for i := range u.options {
		o := &u.options[i]
		v := (o.value + o.bonus) * u.orig.looks(o.from) * u.resp.looks(o.to)
		list, sum = append(list, v), sum+v
	}
	if sum == 0 {
		return list[:0], 0
	}
	return list, sum
}

// looks is how much a host looks like a role. One that anybody plays is less of an explanation than one that only this host does.
func (h *host) looks(role int) float64 {
	if role == free {
		return 0.5
	}
	return h.weight[role]
}

func (h *host) gets(role int, v float64) {
	if role != free {
		h.next[role] += v
	}
}

// weighAnew makes what a host got in a round the weights of the next one.
func (h *host) weighAnew() {
	total := 0.0
	for _, r := range h.candidates {
		total += h.next[r]
	}
	for _, r := range h.candidates {
		if total > 0 {
			h.weight[r] = h.next[r] / total
		}
		h.next[r] = 0
	}
}

// close leaves out the flows of a condition whose state the better explained exchanges speak against. It says whether there are any.
func (d *decision) close() bool {
	votes := map[string]float64{}
	for _, u := range d.uses {
		if o := d.taken(u); o != nil && o.flow.Condition != "" {
			name, sign := conditionOf(o.flow)
			votes[name] += sign * (o.value + o.bonus)
		}
	}
	for _, p := range d.s.set.Packs {
		for _, f := range p.Flows {
			if f.Condition == "" {
				continue
			}
			if name, sign := conditionOf(f); votes[name]*sign < 0 {
				d.closed[f] = true
			}
		}
	}
	return len(d.closed) > 0
}

// taken is the option by which an exchange is explained as roles are now; nil where nothing explains it.
func (d *decision) taken(u *use) *option {
	if u.took < 0 {
		return nil
	}
	return &u.options[u.took]
}

func (d *decision) plays(h *host, role int) bool { return role == free || h.roles.has(role) }

// byCandidates orders hosts with few candidates first: they are the surest.
func byCandidates(list []*host) []*host {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *host) int { return cmp.Compare(len(a.candidates), len(b.candidates)) })
	return sorted
}
