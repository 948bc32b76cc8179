package capture

import (
	"errors"
	"fmt"
	"slices"

	"pcapaudit/capture/flow"
)

// wanted are the connections of a second pass. Most packets belong to none: a bit for the first packet's number, which stays in the cache,
// tells most of them before the map is asked.
type wanted struct {
	bits  [wantedBits / 64]uint64
	first map[flow.ConnID]int32 // in list
	list  []want
}

const wantedBits = 1 << 19

// want is one Wanted.
type want struct {
	comments []string
	limit    int
	next     int32 // for the same connection; -1: no more
	taken    int   // packets
	limited  bool
}

func wantedBit(id *flow.ConnID) (word int, bit uint64) {
	n := (id.Packet + uint64(id.File)<<9) % wantedBits
	return int(n / 64), 1 << (n % 64)
}

func newWanted(list []Wanted) (*wanted, error) {
	if len(list) > MaxWanted {
		return nil, fmt.Errorf("extracting packets: %d connections are wanted, at most %d can be", len(list), MaxWanted)
	}
	w := &wanted{first: make(map[flow.ConnID]int32, len(list))}
	for _, one := range list {
		if one.Limit < 0 {
			return nil, errors.New("extracting packets: a limit below 0")
		}
		next, known := w.first[one.ID]
		if !known {
			next = -1
		}
		w.first[one.ID] = int32(len(w.list))
		w.list = append(w.list, want{comments: cleanComments(one.Comments), limit: one.Limit, next: next})
		word, bit := wantedBit(&one.ID)
		w.bits[word] |= bit
	}
	return w, nil
}

func cleanComments(list []string) (clean []string) {
	for _, s := range list {
		if s = cleanText([]byte(s)); s != "" && !slices.Contains(clean, s) {
			clean = append(clean, s)
		}
	}
	return clean
}

// of gives the latest Wanted of a connection; -1: none.
func (w *wanted) of(id flow.ConnID) int32 {
	word, bit := wantedBit(&id)
	if w.bits[word]&bit == 0 {
		return -1
	}
	if i, ok := w.first[id]; ok {
		return i
	}
	return -1
}

// take adds those that want this packet of their connection, i being its latest Wanted, to the ones that want the record already.
func (w *wanted) take(i int32, by []int32) []int32 {
	for ; i >= 0; i = w.list[i].next {
		one := &w.list[i]
		switch {
		case slices.Contains(by, i): // of the same connection, at another depth
		case one.limit > 0 && one.taken >= one.limit:
			one.limited = true
		default:
			one.taken++
			by = append(by, i)
		}
	}
	return by
}

// comments are those of all that want a record, in the order in which the wanted ones were given, each once.
func (w *wanted) comments(by []int32, to []string) []string {
	slices.Sort(by)
	for _, i := range by {
		for _, c := range w.list[i].comments {
			if !slices.Contains(to, c) {
				to = append(to, c)
			}
		}
	}
	return to
}

// count tells of how many connections packets were taken, and of how many a limit left some out.
func (w *wanted) count() (connections, limited int) {
	for _, i := range w.first {
		taken, cut := false, false
		for ; i >= 0; i = w.list[i].next {
			taken = taken || w.list[i].taken > 0
			cut = cut || w.list[i].limited
		}
		if taken {
			connections++
		}
		if cut {
			limited++
		}
	}
	return connections, limited
}
