package classify

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// plainNames is what names are, in maps.
type plainNames struct {
	known map[plainKey][]alias
	order []plainKey
	told  map[plainTold]answered
}

type plainKey struct {
	who  party
	addr netip.Addr
}

type plainTold struct {
	who  party
	name string
	six  bool
}

func (n *plainNames) learn(key plainKey, k alias) {
	defer func() {
		q := plainTold{key.who, k.name, key.addr.Is6()}
		t, met := n.told[q]
		if met || len(n.told) < maxNames {
			t.answer(key.addr, k.from, k.until)
			n.told[q] = t
		}
	}()
	list := n.known[key]
	for i := range list {
		if old := &list[i]; k.from <= old.until && old.from <= k.until && old.name == k.name {
			old.from, old.until = min(old.from, k.from), max(old.until, k.until)
			return
		}
	}
	if len(list) >= maxNamesOf {
		for i := range list {
			if old := &list[i]; old.name == k.name && old.until < k.until {
				old.until = k.until
				return
			}
		}
		list[oldest(list)] = k
		return
	}
	n.known[key] = append(list, k)
	if n.order = append(n.order, key); len(n.order) <= maxNames {
		return
	}
	first := n.order[0]
	n.order = n.order[1:]
	list = n.known[first]
	i := oldest(list)
	if n.known[first] = slices.Delete(list, i, i+1); len(list) == 1 {
		delete(n.known, first)
	}
}

// Names in tables are those of maps, while askers, addresses and names come, come again and are forgotten.
func TestNamesAreThoseOfMaps(t *testing.T) {
	a := New(set(t, nameSite, namePack), Options{})
	plain := plainNames{known: map[plainKey][]alias{}, told: map[plainTold]answered{}}
	r := rand.New(rand.NewPCG(1, 2))
	texts := make([]string, 300)
	for i := range texts {
		texts[i] = fmt.Sprintf("n%d.example", i)
	}
	var asked []flow.Name
	for i := range maxNames + maxNames/2 {
		at := start + int64(i)
		n := flow.Name{At: at, Until: at + r.Int64N(maxNames), Origin: flow.NameDNS, Asker: netip.AddrFrom4([4]byte{192, 0, byte(i >> 16), byte(r.IntN(30))}), Name: texts[r.IntN(len(texts))]}
		switch last := len(asked) - 1; {
		case r.IntN(4) == 0 && last > 0:
			again := asked[last-r.IntN(min(last, 1000))]
			n.Asker, n.Addr = again.Asker, again.Addr
			if r.IntN(2) == 0 {
				n.Name = again.Name
			}
		case r.IntN(4) == 0:
			n.Addr = netip.AddrFrom16([16]byte{0: 0x20, 14: byte(r.IntN(256)), 15: byte(r.IntN(256))})
		default:
			n.Addr = netip.AddrFrom4([4]byte{198, 51, byte(r.IntN(256)), byte(r.IntN(256))})
		}
		asked = append(asked, n)
		a.LearnName(&n)
		plain.learn(plainKey{party{addr: n.Asker}, n.Addr}, alias{name: n.Name, origin: n.Origin, from: n.At, until: n.Until})
	}
	names := &a.names
	if names.known.used != len(plain.known) || names.told.used != len(plain.told) || len(names.order)-names.next != len(plain.order) {
		t.Errorf("%d keys, %d answers, %d names, want %d, %d, %d", names.known.used, names.told.used, len(names.order)-names.next, len(plain.known), len(plain.told), len(plain.order))
	}
	same := func(x, y alias) bool {
		return x.name == y.name && x.origin == y.origin && x.from == y.from && x.until == y.until
	}
	numbered := map[party]bool{}
	for _, n := range asked {
		who := party{addr: n.Asker}
		if got, want := names.knownTo(who, n.Addr), plain.known[plainKey{who, n.Addr}]; !slices.EqualFunc(got, want, same) {
			t.Fatalf("%v knows %v as %+v, want %+v", n.Asker, n.Addr, got, want)
		}
		got, want := names.answerTo(who, n.Name, n.Addr.Is6()), plain.told[plainTold{who, n.Name, n.Addr.Is6()}]
		if got == nil && want != (answered{}) || got != nil && (got.addr != want.addr || got.from != want.from || got.until != want.until) {
			t.Fatalf("%v was told %+v for %s, want %+v", n.Asker, got, n.Name, want)
		}
	}
	for k := range plain.known {
		numbered[k.who] = true
	}
	for k := range plain.told {
		numbered[k.who] = true
	}
	if len(names.askers.numbers) != len(numbered) {
		t.Errorf("%d askers are numbered, want %d", len(names.askers.numbers), len(numbered))
	}
}

// Numbers of askers that know nothing any more are used again.
func TestAskersAreBounded(t *testing.T) {
	a := New(set(t, nameSite, namePack), Options{})
	n := flow.Name{Origin: flow.NameNetBIOS, Name: "n", Addr: netip.MustParseAddr("198.51.100.7")}
	for i := range 2*maxNames + 5 {
		n.At = start + int64(i)
		n.Asker = netip.AddrFrom4([4]byte{192, byte(i >> 16), byte(i >> 8), byte(i)})
		a.LearnName(&n)
	}
	if s := &a.names.askers; len(s.numbers) != maxNames || len(s.list) > maxNames+1 || a.names.entries.n > maxNames+1 {
		t.Errorf("%d askers, %d numbers, %d entries", len(s.numbers), len(s.list), a.names.entries.n)
	}
}

// To tell a host again what it knows takes no memory.
func TestLearningAgainAllocatesNothing(t *testing.T) {
	a := New(set(t, nameSite, namePack), Options{})
	n := flow.Name{At: start, Until: start + 60e9, Origin: flow.NameDNS, Asker: netip.MustParseAddr("10.0.0.1"), Name: "www.example", Addr: netip.MustParseAddr("203.0.113.10")}
	if got := testing.AllocsPerRun(100, func() { a.LearnName(&n) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
