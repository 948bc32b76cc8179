package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestReplaceable: a file that is read again may be a link whose target changes, as certificates often are; what is read once is not asked for.
func TestReplaceable(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"live", "archive"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file, link := filepath.Join(dir, "archive", "one.pem"), filepath.Join(dir, "live", "cert.pem")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../archive/one.pem", link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"", nil},
		{filepath.Join(dir, "no-file"), nil},
		{file, []string{filepath.Dir(file)}},
		{link, []string{filepath.Dir(link), filepath.Dir(file)}},
	} {
		if got := replaceable(c.name); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.name, got, c.want)
		}
	}
}
