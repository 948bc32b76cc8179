package rules

import (
	"fmt"
	"strings"
	"testing"
)

func TestLoadPackRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"acronis-abr-11": `unknown pack "acronis-abr-11"; did you mean "acronis-abr-11.5"?`,
		"./none.yaml":    "cannot read the file",
		".":              "not a regular file",
	} {
		p, problems := LoadPack(name)
		if p != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	if _, problems := LoadPackBytes("big", make([]byte, MaxFile+1)); len(problems) != 1 || !strings.Contains(problems[0].String(), "may have at most") {
		t.Errorf("big file: %v", problems)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := byte('b'); i < 'j'; i++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", i, i, strings.Repeat(fmt.Sprintf("*%c,", i-1), 8), i-1)
	}
	if _, problems := LoadPackBytes("bomb", []byte(bomb)); len(problems) == 0 || !Failed(problems) {
		t.Errorf("alias bomb: %v", problems)
	}
	if _, problems := LoadPackBytes("deep", []byte(strings.Repeat("[", 100000))); len(problems) != 1 || !Failed(problems) {
		t.Errorf("deep nesting: %v", problems)
	}
}
