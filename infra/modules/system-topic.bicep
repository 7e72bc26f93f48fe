// The topic that Communication Services publishes to. Its identity writes Event Grid's dead letters.
param name string
param source string
param tags object

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: 'global'
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: source
    topicType: 'Microsoft.Communication.CommunicationServices'
  }
}

output principalId string = topic.identity.principalId
output source string = topic.properties.source
