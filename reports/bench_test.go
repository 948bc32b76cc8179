package reports

import (
	"fmt"
	"testing"

	"pcapaudit/classify"
)

// fullAudit is as large as a run of a million connections leaves one at most: all the findings that are kept, and 250 flows of 1,000 hosts.
func fullAudit() *classify.Audit {
	a := bigAudit(1 << 16)
	one := a.Expectations[0]
	a.Expectations = nil
	for i := range 250 {
		e := one
		e.Flow, e.Open = fmt.Sprintf("acronis-abr-11.5/flow-%d", i), nil
		for k := range 1000 {
			e.Open = append(e.Open, classify.HostStatus{Host: fmt.Sprintf("srv-%d", k), Status: "not-observed", Reason: "no connection of this flow was seen, and nothing requires one in this period"})
		}
		a.Expectations = append(a.Expectations, e)
	}
	return a
}

// Each format by itself, as --report writes it.
func BenchmarkFormats(b *testing.B) {
	a := fullAudit()
	for _, f := range Formats {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := counter(0)
				if err := f.Write(&n, a, Look{All: true}); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(n))
			}
		})
	}
}

// counter counts what is written.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}
