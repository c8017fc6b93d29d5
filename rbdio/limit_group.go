package rbdio

func (l *limitedPool) ListGroups() ([]Entry, error) {
	defer l.metadata.take("")()
	return l.Pool.ListGroups()
}

func (l *limitedPool) ListGroupImages(groupID string) ([]string, error) {
	defer l.metadata.take(groupID)()
	return l.Pool.ListGroupImages(groupID)
}

func (l *limitedPool) ListGroupSnapshots(groupID string) ([]GroupSnapshot, error) {
	defer l.metadata.take(groupID)()
	return l.Pool.ListGroupSnapshots(groupID)
}

func (l *limitedPool) MemberNames(members []Member) ([]string, error) {
	defer l.metadata.take("")()
	return l.Pool.MemberNames(members)
}

func (l *limitedPool) CreateGroupSnapshot(groupID, name string) error {
	defer l.metadata.take(groupID)()
	return l.Pool.CreateGroupSnapshot(groupID, name)
}

func (l *limitedPool) RemoveGroupSnapshot(groupID, name string) error {
	defer l.metadata.take(groupID)()
	return l.Pool.RemoveGroupSnapshot(groupID, name)
}

func (l *limitedPool) RenameGroupSnapshot(groupID, name, newName string) error {
	defer l.metadata.take(groupID)()
	return l.Pool.RenameGroupSnapshot(groupID, name, newName)
}

func (l *limitedPool) StatMember(m Member) (Info, error) {
	defer l.metadata.take(m.ImageID)()
	return l.Pool.StatMember(m)
}

func (l *limitedPool) OpenMember(m Member) (SnapshotImage, error) {
	defer l.metadata.take(m.ImageID)()
	img, err := l.Pool.OpenMember(m)
	if err != nil {
		return nil, err
	}
	return l.limitSnapshot(img, m.ImageID), nil
}
