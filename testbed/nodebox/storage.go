package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v10/controller"
)

const (
	// Where kind keeps local volumes, so that tools find them under the same path as on a stock node.
	volumesRoot  = "/var/local-path-provisioner"
	selectedNode = "volume.kubernetes.io/selected-node"
)

// provisioner answers the claims whose pod was scheduled to its own node with a directory there, and refuses
// in the words of the stock provisioner what that one refuses. One runs on every node.
type provisioner struct {
	node   string
	client kubernetes.Interface
}

func (p provisioner) ShouldProvision(ctx context.Context, claim *v1.PersistentVolumeClaim) bool {
	if node := claim.Annotations[selectedNode]; node != "" {
		return node == p.node
	}
	// A claim that nobody scheduled is one node's to refuse.
	nodes, err := p.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(nodes.Items, func(n v1.Node) bool { return n.Name < p.node })
}

func refusal(o controller.ProvisionOptions) error {
	if o.PVC.Spec.Selector != nil {
		return fmt.Errorf("claim.Spec.Selector is not supported")
	}
	for _, mode := range o.PVC.Spec.AccessModes {
		if mode != v1.ReadWriteOnce && mode != v1.ReadWriteOncePod {
			return fmt.Errorf("NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes")
		}
	}
	if o.PVC.Annotations[selectedNode] == "" {
		return fmt.Errorf("configuration error, no node was specified")
	}
	return nil
}

func (p provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	if err := refusal(o); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	directory := filepath.Join(volumesRoot, fmt.Sprintf("%s_%s_%s", o.PVName, o.PVC.Namespace, o.PVC.Name))
	if err := os.MkdirAll(directory, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Pods run as any user, and the umask took the bits that MkdirAll asked for.
	if err := os.Chmod(directory, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: directory}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{p.node},
				}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (p provisioner) ShouldDelete(_ context.Context, volume *v1.PersistentVolume) bool {
	return volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0] == p.node
}

func (p provisioner) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	return os.RemoveAll(volume.Spec.HostPath.Path)
}

func provisionVolumes() {
	config, err := rest.InClusterConfig()
	if err != nil {
		klog.Fatal(err)
	}
	ctx := context.Background()
	client := kubernetes.NewForConfigOrDie(config)
	controller.NewProvisionController(
		klog.FromContext(ctx), client, "rancher.io/local-path",
		provisioner{os.Getenv("NODE_NAME"), client}, controller.LeaderElection(false),
	).Run(ctx)
}
