package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"pcapaudit/capture/sandbox"
)

// TestSandboxThatCannotBeEnforced: on goes on, strict exits with 6 before it reads, and leaves no file behind; off does not ask.
func TestSandboxThatCannotBeEnforced(t *testing.T) {
	const capture, site = "../../testdata/captures/acronis-deviating.pcapng", "../../testdata/sites/acronis.yaml"
	for _, c := range []struct {
		mode  string
		code  int
		asked int
	}{{"on", exitDeviations, 1}, {"strict", exitCapture, 1}, {"off", exitDeviations, 0}} {
		dir := t.TempDir()
		var plans []sandbox.Plan
		var out, errs bytes.Buffer
		u := &ui{out: &out, err: &errs, enter: func(p sandbox.Plan) (sandbox.Enforced, error) {
			plans = append(plans, p)
			if p.Strict {
				return nil, errors.New("sandbox: not everything can be enforced: files: the kernel has no Landlock")
			}
			return nil, nil
		}}
		code := execute(u, []string{"audit", "--sandbox", c.mode, "--site", site, "--report", dir + "/audit.json", capture})
		if code != c.code || len(plans) != c.asked {
			t.Errorf("%s: code %d, want %d; asked %d times, want %d: %s", c.mode, code, c.code, len(plans), c.asked, errs.String())
		}
		for _, p := range plans {
			if !slices.Equal(p.Read, []string{capture}) || !slices.Equal(p.Name, []string{dir}) || p.Write != nil || p.Connect != nil || p.Local || p.Keep != 0 {
				t.Errorf("%s: plan %+v", c.mode, p)
			}
		}
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := "hint: --sandbox on goes on with what the kernel can enforce\n"
		if c.code == exitCapture && (out.Len() > 0 || !bytes.HasSuffix(errs.Bytes(), []byte(want)) || len(left) > 0) {
			t.Errorf("%s: %s%s, left %v", c.mode, out.String(), errs.String(), left)
		}
	}
}
