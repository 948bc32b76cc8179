//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const oldReport = "the report of last night\n"

// mounting runs a shell script as root in a mount namespace of its own, with $DIR, an empty folder to mount on, and $AUDIT, the command line of an audit without outputs.
// It skips where that is not allowed.
func mounting(t *testing.T, script string, env ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "pcapaudit") // by this name the test binary is the program
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	audit := fmt.Sprintf("%s audit --site sites/acronis.yaml captures/acronis-deviating.pcapng", bin)
	c := exec.Command("sh", "-c", "mount --make-rprivate / || exit 99\n"+script)
	c.Dir = "../../testdata"
	c.Env = append(os.Environ(), append(env, "DIR="+t.TempDir(), "AUDIT="+audit)...)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	var failed *exec.ExitError
	if errors.Is(err, syscall.EPERM) || errors.As(err, &failed) && failed.ExitCode() == 99 {
		t.Skipf("no mount namespace here: %v %s", err, out.String())
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// TestFullDiskLeavesTheOldReport writes every format onto file systems that are full at ever later points: exit 5, the old report as it was, no other file; or, where all fits,
// every report whole.
func TestFullDiskLeavesTheOldReport(t *testing.T) {
	failed, whole := 0, 0
	for _, kib := range []int{4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 320, 384, 512, 1024} {
		out := mounting(t, `
mount -t tmpfs -o size=${SIZE}k none $DIR || exit 99
printf '`+strings.TrimSpace(oldReport)+`\n' >$DIR/audit.json
$AUDIT --report $DIR/audit.json --report $DIR/audit.md --report $DIR/audit.findings.csv --report $DIR/audit.matrix.csv --report $DIR/audit.sarif \
  --report $DIR/audit.junit.xml --report $DIR/audit.oscal.json --report $DIR/audit.txt --connections $DIR/all.json >/dev/null
echo "code $?"
ls -A $DIR | tr '\n' ' '
echo
head -c 100 $DIR/audit.json
`, fmt.Sprint("SIZE=", kib))
		switch {
		case strings.Contains(out, "code 5\naudit.json \n"+oldReport) && strings.Contains(out, "no space left on device") && strings.Contains(out, "hint: "):
			failed++
		case strings.Contains(out, "code 1\nall.json audit.findings.csv audit.json audit.junit.xml audit.matrix.csv audit.md audit.oscal.json audit.sarif audit.txt \n{"):
			whole++
		default:
			t.Errorf("%d KiB:\n%s", kib, out)
		}
	}
	if failed < 4 || whole == 0 {
		t.Errorf("%d runs failed and %d were whole: the sizes do not cover both", failed, whole)
	}
}

func TestReadOnlyDirectoryFailsBeforeReading(t *testing.T) {
	out := mounting(t, `
mount -t tmpfs -o size=64k none $DIR || exit 99
printf '`+strings.TrimSpace(oldReport)+`\n' >$DIR/audit.json
mount -o remount,ro $DIR || exit 99
$AUDIT --report $DIR/audit.json
echo "code $?"
ls -A $DIR
cat $DIR/audit.json
`)
	if !strings.HasSuffix(out, "code 5\naudit.json\n"+oldReport) || !strings.Contains(out, "read-only file system") || strings.Contains(out, "Result:") {
		t.Errorf("got:\n%s", out)
	}
}

// TestDirectoryOfAnother: in a folder with the sticky bit nobody replaces the file of another.
func TestDirectoryOfAnother(t *testing.T) {
	out := mounting(t, `
command -v setpriv >/dev/null || exit 99
mount -t tmpfs -o mode=1777 none $DIR || exit 99
printf '`+strings.TrimSpace(oldReport)+`\n' >$DIR/audit.json
cp captures/acronis-deviating.pcapng sites/acronis.yaml $DIR
cp ${AUDIT%% *} $DIR/pcapaudit
cd $DIR
setpriv --reuid 65534 --regid 65534 --clear-groups ./pcapaudit audit --site acronis.yaml --report audit.json acronis-deviating.pcapng >/dev/null
echo "code $?"
ls -A $DIR | tr '\n' ' '
cat audit.json
`)
	if !strings.HasSuffix(out, "code 5\nacronis-deviating.pcapng acronis.yaml audit.json pcapaudit "+oldReport) {
		t.Errorf("got:\n%s", out)
	}
}

// TestOutputTakesNoOthersPlace: a target that is a link, a pipe, a device or a folder is refused, a hard link loses its name only, and a new file is private.
func TestOutputTakesNoOthersPlace(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path("victim"), []byte(oldReport), 0o600))
	must(os.Symlink(path("victim"), path("link")))
	must(os.Symlink(path("nowhere"), path("dangling")))
	must(syscall.Mkfifo(path("pipe"), 0o600))
	must(os.Mkdir(path("folder"), 0o700))
	must(os.Link(path("victim"), path("hard")))
	for _, name := range []string{path("link"), path("dangling"), path("pipe"), path("folder"), "/dev/full", "/dev/stdout", "/proc/self/fd/1"} {
		if _, err := createOutput(name); codeOf(err) != exitOutput {
			t.Errorf("%s: %v", name, err)
		}
	}
	long, err := createOutput(path(strings.Repeat("n", 250) + ".json"))
	must(err)
	must(long.commit())
	out, err := createOutput(path("hard"))
	must(err)
	_, err = out.WriteString("new\n")
	must(err)
	must(out.commit())
	for name, want := range map[string]string{"victim": oldReport, "hard": "new\n"} {
		if got, err := os.ReadFile(path(name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, want %q (%v)", name, got, want, err)
		}
	}
	if st, err := os.Stat(path("hard")); err != nil || st.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v (%v)", st.Mode(), err)
	}
	if left, _ := filepath.Glob(path(".*.tmp")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestManifestStaysWhereAReportCannotBeReplaced: a report whose place was taken meanwhile fails, the others get their names, and the old manifest is not replaced by one that
// lists what is not there.
func TestManifestStaysWhereAReportCannotBeReplaced(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"c.manifest.json", "c.manifest.json.sig"} {
		if err := os.WriteFile(path(name), []byte(oldReport), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var o outputs
	for _, name := range []string{"a", "b", "c.manifest.json", "c.manifest.json.sig"} {
		if err := o.add(path(name)); err != nil {
			t.Fatal(err)
		}
		if _, err := o.files[len(o.files)-1].WriteString("new\n"); err != nil {
			t.Fatal(err)
		}
	}
	o.seal = &seal{manifest: o.files[2], signature: o.files[3]}
	if err := os.Mkdir(path("a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := o.commit(); codeOf(err) != exitOutput || !strings.Contains(err.Error(), path("a")) {
		t.Errorf("error %v", err)
	}
	o.discard()
	for name, want := range map[string]string{"b": "new\n", "c.manifest.json": oldReport, "c.manifest.json.sig": oldReport} {
		if got, err := os.ReadFile(path(name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, want %q (%v)", name, got, want, err)
		}
	}
	if left, _ := filepath.Glob(path(".*.tmp")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestNoFileGetsItsNameBeforeAllAreOnTheDisk: where one cannot be made durable, all old ones stay.
func TestNoFileGetsItsNameBeforeAllAreOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	var o outputs
	for _, name := range []string{"a", "b"} {
		if err := o.add(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.files[1].Close(); err != nil { // as a failing disk would: its fsync is an error
		t.Fatal(err)
	}
	if err := o.commit(); codeOf(err) != exitOutput {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// TestTargetThatBecomesALink: what stands at the target when the audit is done is replaced, not followed.
func TestTargetThatBecomesALink(t *testing.T) {
	dir := t.TempDir()
	victim, target := filepath.Join(dir, "victim"), filepath.Join(dir, "audit.json")
	out, err := createOutput(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(victim, []byte(oldReport), 0o600), os.Symlink(victim, target)); err != nil {
		t.Fatal(err)
	}
	if err := out.commit(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(victim); string(got) != oldReport {
		t.Errorf("the file behind the link was written: %q", got)
	}
	if st, err := os.Lstat(target); err != nil || !st.Mode().IsRegular() {
		t.Errorf("the target is %v (%v)", st.Mode(), err)
	}
}
