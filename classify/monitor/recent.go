package monitor

import (
	"container/list"
	"iter"
)

// recent remembers a bounded number of values, in the order in which they were last put or touched. Beyond the limit the first is forgotten.
type recent[K comparable, V any] struct {
	most      int
	at        map[K]*list.Element // of *entry
	order     *list.List
	forgotten uint64
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](most int) recent[K, V] {
	return recent[K, V]{most: most, at: map[K]*list.Element{}, order: list.New()}
}

// get gives a value, nil where there is none.
func (r *recent[K, V]) get(k K) *V {
	if e := r.at[k]; e != nil {
		return &e.Value.(*entry[K, V]).value
	}
	return nil
}

// put adds a value for a key that has none, and gives the one that was forgotten for it, nil for none.
func (r *recent[K, V]) put(k K, v V) (forgot *V) {
	if len(r.at) >= r.most {
		first := r.order.Front()
		old := first.Value.(*entry[K, V])
		r.order.Remove(first)
		delete(r.at, old.key)
		r.forgotten++
		forgot = &old.value
	}
	r.at[k] = r.order.PushBack(&entry[K, V]{k, v})
	return forgot
}

// touch makes a value the last.
func (r *recent[K, V]) touch(k K) { r.order.MoveToBack(r.at[k]) }

// first is the value that was not touched for longest; there must be one.
func (r *recent[K, V]) first() *V { return &r.order.Front().Value.(*entry[K, V]).value }

func (r *recent[K, V]) len() int { return len(r.at) }

// all gives the values in order. They may be changed, not touched.
func (r *recent[K, V]) all() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		for e := r.order.Front(); e != nil; e = e.Next() {
			if !yield(&e.Value.(*entry[K, V]).value) {
				return
			}
		}
	}
}
