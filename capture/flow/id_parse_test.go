package flow

import "testing"

func TestParseConnID(t *testing.T) {
	for _, id := range []ConnID{{}, {0, 17, 0}, {3, 17, 1}, {1<<16 - 1, 1<<43 - 1, MaxDepth}} {
		if got, ok := ParseConnID(id.String()); !ok || got != id {
			t.Errorf("%v comes back as %v, %v", id, got, ok)
		}
	}
	for _, s := range []string{"", "0", ":", "0:", ":1", "0:1.", "0:1.0", "00:1", "0:01", "+0:1", "0:1.01", "65536:1", "0:1.256", "0:-1", "0:1 ", "0:18446744073709551616"} {
		if id, ok := ParseConnID(s); ok {
			t.Errorf("%q is read as %v", s, id)
		}
	}
}
