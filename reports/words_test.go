package reports

import (
	"bytes"
	"strings"
	"testing"

	"pcapaudit/classify"
)

// TestUnsignedLiveReports: a report does not know whether it will be signed, and does not say so.
func TestUnsignedLiveReports(t *testing.T) {
	a := sampleAudit()
	a.Inputs[0].Format, a.Inputs[0].SHA256 = classify.LiveFormat, ""
	for _, name := range []string{"table", "html"} {
		format, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := format.Write(&out, a, Look{Width: 400}); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(out.String()), " "); strings.Contains(text, "ignature of this report") || strings.Contains(text, "ignature that was made with") || !strings.Contains(text, "othing but a signature") {
			t.Errorf("%s: %.200s", name, text[max(0, strings.Index(text, "nobody kept")):])
		}
	}
}

// TestNothingOpen: where each host was observed no heading announces those that were not.
func TestNothingOpen(t *testing.T) {
	a := sampleAudit()
	written := func() string {
		var out bytes.Buffer
		if err := writeTable(&out, a, Look{Width: 100, All: true}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	const heading = "Hosts of which a documented flow was not observed"
	if !strings.Contains(written(), heading) {
		t.Error("no heading over hosts")
	}
	for i := range a.Expectations {
		a.Expectations[i].Open = nil
	}
	if strings.Contains(written(), heading) {
		t.Error("a heading with nothing below")
	}
}
