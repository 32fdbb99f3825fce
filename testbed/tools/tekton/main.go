// Checks Tekton manifests as Tekton's admission webhook does: no unknown field, then its own defaults and validation.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"knative.dev/pkg/apis"
	"sigs.k8s.io/yaml"
)

type checked interface {
	apis.Defaultable
	apis.Validatable
}

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for number, document := range strings.Split(string(text), "\n---\n") {
			if err := check([]byte(document)); err != nil {
				fmt.Fprintf(os.Stderr, "%s, document %d: %v\n", path, number+1, err)
				failed = true
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}

func check(document []byte) error {
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	kinds := map[string]checked{"Task": &v1.Task{}, "Pipeline": &v1.Pipeline{}, "PipelineRun": &v1.PipelineRun{}}
	object, known := kinds[kind.Kind]
	if !known || kind.APIVersion != "tekton.dev/v1" {
		return fmt.Errorf("%s %s is no kind of Tekton's that is checked here", kind.APIVersion, kind.Kind)
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return err
	}
	object.SetDefaults(context.Background())
	if err := object.Validate(context.Background()); err != nil {
		return err
	}
	return nil
}
