-- Orthanc passes new radiographs on to the node. What the node itself sends (reports, pictures) is not sent back to it.
function OnStoredInstance(instance, tags, metadata, origin)
  local is_radiograph = tags['Modality'] == 'CR' or tags['Modality'] == 'DX'
  if is_radiograph and origin['RemoteAet'] ~= 'LUNGSCAN' then
    SendToModality(instance, 'lungscan')
  end
end
