package rules

import (
	"fmt"
	"testing"
)

func TestRangePrefixes(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0-10.0.0.255":                        "[10.0.0.0/24]",
		"10.0.0.1-10.0.0.6":                          "[10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32]",
		"0.0.0.0-255.255.255.255":                    "[0.0.0.0/0]",
		"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "[::/0]",
		"fd00::ff-fd00::101":                         "[fd00::ff/128 fd00::100/127]",
		"::ffff:10.0.0.0/120":                        "[10.0.0.0/24]",
	} {
		r, what, _ := parseAddresses(text)
		if got := fmt.Sprint(r.prefixes()); what != "" || got != want {
			t.Errorf("%s: %s %s, want %s", text, what, got, want)
		}
	}
	for text, want := range map[string]uint8{"10.0.0.1": 0, "10.0.0.0/31": 1, "10.0.0.0/24": 8, "10.0.0.1-10.0.0.3": 2, "::/0": 128, "fd00::/64": 64} {
		if r, _, _ := parseAddresses(text); r.spread() != want {
			t.Errorf("spread of %s: %d, want %d", text, r.spread(), want)
		}
	}
}
